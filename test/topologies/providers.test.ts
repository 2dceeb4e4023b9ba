/**
 * Payloads of e-mail providers: what each event is by their documentation, and what is no event of
 * theirs.
 */

import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { recordsOf } from '../../engine/connect/file-options.ts';
import { rowsOf } from '../../engine/connect/rows.ts';
import { readMapping, rowOptions } from '../../topologies/app/mappings.ts';
import type { Event } from '../../topologies/event.ts';
import { eventMap, type MappedEvent } from '../../topologies/ingest/event-map.ts';
import { emptyFolder } from '../process/millrace.ts';

async function mapped(provider: string, payload: unknown): Promise<MappedEvent[]> {
  const mapping = await readMapping(provider);
  const file = join(await emptyFolder(), 'payload.json');
  await writeFile(file, JSON.stringify(payload));
  const map = eventMap(mapping);
  const found: MappedEvent[] = [];
  for await (const { fields, problem, empty } of rowsOf(file, rowOptions(mapping))) {
    if (empty !== undefined) found.push({ skip: empty });
    else if (fields === undefined) found.push({ reject: problem ?? '' });
    else found.push(map(fields, `row ${found.length}`));
  }
  return found;
}

/** `class subject` of each event, 'skipped', or 'refused'. */
async function told(provider: string, payload: unknown): Promise<string[]> {
  return (await mapped(provider, payload)).flatMap((one) => {
    if ('skip' in one) return ['skipped'];
    if ('reject' in one) return ['refused'];
    return recordsOf(one).map(({ key, value }) => `${value.class} ${key}`);
  });
}

async function events(provider: string, payload: unknown): Promise<Event[]> {
  return (await mapped(provider, payload)).flatMap((one) =>
    recordsOf(one).map(({ value }) => value),
  );
}

const at = 1_767_225_600;
const iso = '2026-01-01T00:00:00.000Z';

describe('SendGrid', () => {
  const event = (more: object) => ({
    email: 'ann@x.example',
    timestamp: at,
    sg_message_id: 'm',
    ...more,
  });

  test.each([
    [{ event: 'processed' }, 'email_sent'],
    [{ event: 'deferred' }, 'email_deferred'],
    [{ event: 'delivered' }, 'email_delivered'],
    [{ event: 'bounce', type: 'bounce' }, 'email_bounce'],
    [{ event: 'bounce', type: 'blocked' }, 'email_soft_bounce'],
    [{ event: 'dropped', reason: 'Unsubscribed Address' }, 'email_dropped'],
    [{ event: 'open' }, 'email_open'],
    [{ event: 'click', url: 'u' }, 'email_click'],
    [{ event: 'spamreport' }, 'email_complaint'],
    [{ event: 'unsubscribe' }, 'email_unsubscribe'],
    [{ event: 'group_unsubscribe', asm_group_id: 10 }, 'email_unsubscribe'],
    [{ event: 'group_resubscribe', asm_group_id: 10 }, 'email_subscribe'],
  ])('%j is %s', async (more, expected) => {
    expect(await told('sendgrid', [event(more)])).toEqual([`${expected} ann@x.example`]);
  });

  test('an event of the account is skipped, another one is refused', async () => {
    const payload = [event({ event: 'account_status_change' }), event({ event: 'read' }), {}];
    expect(await told('sendgrid', payload)).toEqual(['skipped', 'refused', 'refused']);
  });

  test('without sg_event_id the content tells events apart; a second delivery of one has its id', async () => {
    const first = event({ event: 'group_unsubscribe' });
    const later = { ...first, timestamp: at + 60 };
    const [a, b, c] = await events('sendgrid', [first, later, first]);
    expect(a?.id).not.toBe(b?.id);
    expect(c?.id).toBe(a?.id);
    const [known] = await events('sendgrid', [{ ...first, sg_event_id: 'e' }]);
    expect(known?.id).toBe('e/group_unsubscribe');
  });
});

describe('SparkPost', () => {
  const wrapped = (kind: string, more: object) => [
    { msys: { [kind]: { event_id: '1', rcpt_to: 'Ann@x.example', timestamp: `${at}`, ...more } } },
  ];

  test.each([
    ['message_event', { type: 'injection' }, 'email_sent'],
    ['message_event', { type: 'delivery' }, 'email_delivered'],
    ['message_event', { type: 'delay' }, 'email_deferred'],
    ['message_event', { type: 'bounce', bounce_class: '10' }, 'email_bounce'],
    ['message_event', { type: 'bounce', bounce_class: '30' }, 'email_bounce'],
    ['message_event', { type: 'out_of_band', bounce_class: '90' }, 'email_unsubscribe'],
    ['message_event', { type: 'bounce', bounce_class: '80' }, 'email_subscribe'],
    ['message_event', { type: 'bounce', bounce_class: '60' }, 'email_auto_reply'],
    ['message_event', { type: 'bounce', bounce_class: '22' }, 'email_soft_bounce'],
    ['message_event', { type: 'bounce', bounce_class: 51 }, 'email_soft_bounce'],
    ['message_event', { type: 'policy_rejection' }, 'email_dropped'],
    ['message_event', { type: 'spam_complaint' }, 'email_complaint'],
    ['gen_event', { type: 'generation_rejection' }, 'email_dropped'],
    ['track_event', { type: 'initial_open' }, 'email_open'],
    ['track_event', { type: 'click' }, 'email_click'],
    ['unsubscribe_event', { type: 'list_unsubscribe' }, 'email_unsubscribe'],
    ['unsubscribe_event', { type: 'link_unsubscribe' }, 'email_unsubscribe'],
  ])('%s %j is %s', async (kind, more, expected) => {
    expect(await told('sparkpost', wrapped(kind, more))).toEqual([`${expected} ann@x.example`]);
  });

  test.each([
    ['the ping', [{ msys: {} }], 'skipped'],
    ['a relay event', wrapped('relay_event', { type: 'relay_injection' }), 'skipped'],
    ['a relayed message', [{ msys: { relay_message: { rcpt_to: 'x@x.example' } } }], 'skipped'],
    ['the end of an A/B test', wrapped('ab_test_event', { type: 'ab_test_completed' }), 'skipped'],
    ['an event without a type', wrapped('message_event', {}), 'refused'],
    ['an event of another type', wrapped('message_event', { type: 'teleported' }), 'refused'],
  ])('%s is %s', async (_, payload, expected) => {
    expect(await told('sparkpost', payload)).toEqual([expected]);
  });

  test('a prefetched open is a machine, one through a proxy of images is a person', async () => {
    const open = (user_agent_parsed: object) =>
      wrapped('track_event', { type: 'open', user_agent_parsed });
    const [proxy] = await events('sparkpost', open({ is_proxy: true, is_prefetched: false }));
    expect(proxy).not.toHaveProperty('evidence');
    const [ahead] = await events('sparkpost', open({ is_proxy: false, is_prefetched: true }));
    expect(ahead?.evidence).toEqual({ machine: true });
  });

  test('the answer of the events API', async () => {
    const timestamp = '2026-01-18T14:25:07.000+00:00';
    const result = { type: 'click', event_id: '92356927693813856', rcpt_to: 'a@x', timestamp };
    const payload = { results: [result], total_count: 1, links: [] };
    expect(await told('sparkpost', payload)).toEqual(['email_click a@x']);
  });
});

describe('Postmark', () => {
  const bounce = (Type: string) => ({
    RecordType: 'Bounce',
    Type,
    MessageID: 'm',
    Email: 'ann@x.example',
    BouncedAt: '2026-01-01T00:00:00Z',
  });

  test.each([
    ['HardBounce', 'email_bounce'],
    ['BadEmailAddress', 'email_bounce'],
    ['SpamComplaint', 'email_complaint'],
    ['Unsubscribe', 'email_unsubscribe'],
    ['ManuallyDeactivated', 'email_unsubscribe'],
    ['Subscribe', 'email_subscribe'],
    ['AutoResponder', 'email_auto_reply'],
    ['AddressChange', 'email_auto_reply'],
    ['Transient', 'email_soft_bounce'],
    ['SoftBounce', 'email_soft_bounce'],
    ['Blocked', 'email_soft_bounce'],
    ['SMTPApiError', 'email_dropped'],
  ])('a bounce of type %s is %s', async (type, expected) => {
    expect(await told('postmark', bounce(type))).toEqual([`${expected} ann@x.example`]);
  });

  test('a type that is not documented is refused, an error of inbound mail is skipped', async () => {
    const payload = [bounce('Exploded'), bounce('InboundError'), { RecordType: 'Inbound' }];
    expect(await told('postmark', payload)).toEqual(['refused', 'skipped', 'skipped']);
  });

  const change = (SuppressSending: boolean, SuppressionReason: string | null) => ({
    RecordType: 'SubscriptionChange',
    MessageID: 'm',
    Recipient: 'ann@x.example',
    ChangedAt: '2026-01-01T00:00:00Z',
    SuppressSending,
    SuppressionReason,
  });

  test.each([
    [true, 'HardBounce', ['email_bounce ann@x.example']],
    [true, 'SpamComplaint', ['email_complaint ann@x.example']],
    [true, 'ManualSuppression', ['email_unsubscribe ann@x.example']],
    [false, null, ['email_subscribe ann@x.example', 'address_change ann@x.example']],
    [true, 'Boredom', ['refused']],
  ])('a change of suppression to %s because of %s', async (suppress, reason, expected) => {
    expect(await told('postmark', change(suppress, reason))).toEqual(expected);
  });
});

describe('Amazon SES', () => {
  const mail = { messageId: 'm', timestamp: iso, destination: ['ann@x.example'] };
  const event = (eventType: string, more: object) => ({ eventType, mail, ...more });
  const complaint = (more: object) =>
    event('Complaint', {
      complaint: {
        complainedRecipients: [{ emailAddress: 'ann@x.example' }],
        timestamp: iso,
        ...more,
      },
    });
  const bounce = (bounceType: string, bouncedRecipients: object[]) =>
    event('Bounce', { bounce: { bounceType, bouncedRecipients, timestamp: iso } });
  const ann = [{ emailAddress: 'ann@x.example' }];
  const preferences = (before: boolean, now: boolean) =>
    event('Subscription', {
      subscription: {
        timestamp: iso,
        oldTopicPreferences: { unsubscribeAll: before },
        newTopicPreferences: { unsubscribeAll: now },
      },
    });

  test.each([
    [bounce('Permanent', ann), 'email_bounce'],
    [bounce('Transient', ann), 'email_soft_bounce'],
    [bounce('Undetermined', ann), 'email_soft_bounce'],
    [complaint({}), 'email_complaint'],
    [complaint({ complaintFeedbackType: 'abuse' }), 'email_complaint'],
    [complaint({ complaintFeedbackType: 'not-spam' }), 'email_not_spam'],
    [complaint({ complaintFeedbackType: 'auth-failure' }), 'email_auth_failure'],
    [complaint({ complaintSubType: 'OnAccountSuppressionList' }), 'email_dropped'],
    [event('Send', { send: {} }), 'email_sent'],
    [event('Open', { open: { timestamp: iso } }), 'email_open'],
    [event('Click', { click: { timestamp: iso, link: 'u' } }), 'email_click'],
    [event('Reject', { reject: { reason: 'Bad content' } }), 'email_dropped'],
    [event('Rendering Failure', { failure: {} }), 'email_dropped'],
    [preferences(false, true), 'email_unsubscribe'],
    [preferences(true, false), 'email_subscribe'],
    [preferences(false, false), 'email_preferences'],
  ])('%j is %s', async (payload, expected) => {
    expect(await told('amazon-ses', payload)).toEqual([`${expected} ann@x.example`]);
  });

  const delivery = event('Delivery', {
    delivery: { timestamp: iso, recipients: ['ann@x.example'] },
  });

  test.each([
    ['SNS', { Type: 'Notification', Message: JSON.stringify(delivery) }],
    ['SNS with raw delivery', delivery],
    ['SNS to Lambda', { Records: [{ Sns: { Message: JSON.stringify(delivery) } }] }],
    [
      'SNS to SQS',
      {
        Records: [
          { body: JSON.stringify({ Type: 'Notification', Message: JSON.stringify(delivery) }) },
        ],
      },
    ],
    ['EventBridge', { 'detail-type': 'Email Delivered', detail: delivery }],
  ])('through %s', async (_, payload) => {
    expect(await told('amazon-ses', [payload])).toEqual(['email_delivered ann@x.example']);
  });

  test.each([
    [
      'a subscription that is to be confirmed',
      { Type: 'SubscriptionConfirmation', Message: 'You have chosen' },
      'skipped',
    ],
    [
      'the word that a topic is valid',
      {
        Type: 'Notification',
        Message: 'Successfully validated SNS topic for Amazon SES event publishing.',
      },
      'skipped',
    ],
    ['mail that comes in', { notificationType: 'Received', mail }, 'skipped'],
    ['a message that is no JSON', { Type: 'Notification', Message: 'hello' }, 'refused'],
    ['a bounce of nobody', bounce('Permanent', []), 'refused'],
    [
      'an open of nobody',
      { ...event('Open', { open: { timestamp: iso } }), mail: { ...mail, destination: [] } },
      'refused',
    ],
    ['an event of another type', event('Teleport', {}), 'refused'],
  ])('%s is %s', async (_, payload, expected) => {
    expect(await told('amazon-ses', [payload])).toEqual([expected]);
  });

  test('each recipient of a bounce has an event', async () => {
    const both = [...ann, { emailAddress: 'Bob <bob@x.example>' }];
    expect(await told('amazon-ses', bounce('Permanent', both))).toEqual([
      'email_bounce ann@x.example',
      'email_bounce bob@x.example',
    ]);
  });
});

describe('Mailgun', () => {
  const event = (more: object) => ({
    signature: {},
    'event-data': { id: 'i', timestamp: at + 0.5, recipient: 'ann@x.example', ...more },
  });

  test.each([
    [{ event: 'accepted' }, 'email_sent'],
    [{ event: 'delivered' }, 'email_delivered'],
    [{ event: 'failed', severity: 'permanent', reason: 'bounce' }, 'email_bounce'],
    [{ event: 'failed', severity: 'permanent', reason: 'suppress-bounce' }, 'email_bounce'],
    [{ event: 'failed', severity: 'permanent', reason: 'suppress-unsubscribe' }, 'email_dropped'],
    [{ event: 'failed', severity: 'permanent', reason: 'old' }, 'email_soft_bounce'],
    [{ event: 'failed', severity: 'temporary', reason: 'generic' }, 'email_soft_bounce'],
    [{ event: 'rejected' }, 'email_dropped'],
    [{ event: 'opened' }, 'email_open'],
    [{ event: 'clicked', url: 'u' }, 'email_click'],
    [{ event: 'unsubscribed' }, 'email_unsubscribe'],
    [{ event: 'complained' }, 'email_complaint'],
  ])('%j is %s', async (more, expected) => {
    expect(await told('mailgun', event(more))).toEqual([`${expected} ann@x.example`]);
  });

  test('stored mail is skipped; a failure of no severity, or another event, is refused', async () => {
    const payload = [event({ event: 'stored' }), event({ event: 'failed' }), event({ event: 'x' })];
    expect(await told('mailgun', payload)).toEqual(['skipped', 'refused', 'refused']);
  });
});

describe('Brevo', () => {
  const event = (more: object) => ({
    email: 'ann@x.example',
    'message-id': '<m@relay.example>',
    ts_event: at,
    ts_epoch: at * 1_000,
    ...more,
  });

  test.each([
    ['request', 'email_sent'],
    ['sent', 'email_sent'],
    ['delivered', 'email_delivered'],
    ['deferred', 'email_deferred'],
    ['opened', 'email_open'],
    ['unique_opened', 'email_open'],
    ['proxy_open', 'machine_open'],
    ['unique_proxy_open', 'machine_open'],
    ['click', 'email_click'],
    ['hard_bounce', 'email_bounce'],
    ['invalid_email', 'email_bounce'],
    ['soft_bounce', 'email_soft_bounce'],
    ['spam', 'email_complaint'],
    ['complaint', 'email_complaint'],
    ['unsubscribed', 'email_unsubscribe'],
    ['blocked', 'email_dropped'],
    ['error', 'email_dropped'],
  ])('%s is %s', async (name, expected) => {
    expect(await told('brevo', event({ event: name }))).toEqual([`${expected} ann@x.example`]);
  });

  test('changes of contacts are skipped, unknown events are refused', async () => {
    const payload = ['list_addition', 'contact_updated', 'reply'].map((name) =>
      event({ event: name }),
    );
    expect(await told('brevo', payload)).toEqual(['skipped', 'skipped', 'refused']);
  });

  test('an event without ts_epoch has the time of ts_event, in seconds', async () => {
    const payload = event({ event: 'opened', ts_epoch: undefined });
    const [one] = await mapped('brevo', payload);
    expect(recordsOf(one as never)[0]).toMatchObject({ timestamp: at * 1_000 });
  });
});

describe('Mandrill', () => {
  const event = (more: object) => ({
    _id: 'm',
    ts: at,
    msg: { _id: 'm', email: 'ann@x.example' },
    ...more,
  });

  test.each([
    ['send', 'email_sent'],
    ['delivered', 'email_delivered'],
    ['deferral', 'email_deferred'],
    ['open', 'email_open'],
    ['click', 'email_click'],
    ['hard_bounce', 'email_bounce'],
    ['soft_bounce', 'email_soft_bounce'],
    ['spam', 'email_complaint'],
    ['unsub', 'email_unsubscribe'],
    ['reject', 'email_dropped'],
  ])('%s is %s', async (name, expected) => {
    expect(await told('mandrill', [event({ event: name })])).toEqual([`${expected} ann@x.example`]);
  });

  test('changes of lists and mail that comes in are skipped, others are refused', async () => {
    const sync = { type: 'blacklist', action: 'add', reject: { email: 'ann@x.example' }, ts: at };
    const inbound = { event: 'inbound', ts: at, msg: { email: 'shop@x.example' } };
    const payload = [sync, { ...sync, type: 'allowlist' }, inbound, event({ event: 'read' })];
    expect(await told('mandrill', payload)).toEqual(['skipped', 'skipped', 'skipped', 'refused']);
  });
});

describe('Mailjet', () => {
  const event = (more: object) => ({ email: 'ann@x.example', time: at, MessageID: 1, ...more });

  test.each([
    [{ event: 'sent' }, 'email_delivered'],
    [{ event: 'open' }, 'email_open'],
    [{ event: 'click', url: 'u' }, 'email_click'],
    [{ event: 'bounce', hard_bounce: true, blocked: true }, 'email_bounce'],
    [{ event: 'bounce', hard_bounce: false, blocked: false }, 'email_soft_bounce'],
    [{ event: 'blocked' }, 'email_dropped'],
    [{ event: 'spam' }, 'email_complaint'],
    [{ event: 'unsub' }, 'email_unsubscribe'],
  ])('%j is %s', async (more, expected) => {
    expect(await told('mailjet', [event(more)])).toEqual([`${expected} ann@x.example`]);
  });

  test('without MessageID the content tells events apart', async () => {
    const [a, b, c] = await events(
      'mailjet',
      ['open', 'unsub', 'open'].map((name) => event({ event: name, MessageID: undefined })),
    );
    expect(a?.id).not.toBe(b?.id);
    expect(c?.id).toBe(a?.id);
  });
});

describe('Customer.io', () => {
  const event = (metric: string, object = 'email') => ({
    event_id: metric,
    object_type: object,
    metric,
    timestamp: at,
    data: { identifiers: { email: 'ann@x.example' }, delivery_id: 'd' },
  });

  test.each([
    ['sent', 'email_sent'],
    ['delivered', 'email_delivered'],
    ['deferred', 'email_deferred'],
    ['attempted', 'email_deferred'],
    ['opened', 'email_open'],
    ['clicked', 'email_click'],
    ['bounced', 'email_bounce'],
    ['dropped', 'email_dropped'],
    ['failed', 'email_dropped'],
    ['undeliverable', 'email_dropped'],
    ['spammed', 'email_complaint'],
    ['unsubscribed', 'email_unsubscribe'],
    ['subscribed', 'email_subscribe'],
  ])('%s is %s', async (metric, expected) => {
    expect(await told('customerio', [event(metric)])).toEqual([`${expected} ann@x.example`]);
  });

  test.each([
    ['push', 'sent', 'push_sent'],
    ['push', 'delivered', 'push_delivered'],
    ['push', 'opened', 'push_open'],
    ['push', 'clicked', 'push_click'],
    ['push', 'bounced', 'push_bounce'],
    ['push', 'attempted', 'push_deferred'],
    ['push', 'undeliverable', 'push_dropped'],
    ['sms', 'sent', 'sms_sent'],
    ['sms', 'delivered', 'sms_delivered'],
    ['sms', 'clicked', 'sms_click'],
    ['sms', 'bounced', 'sms_bounce'],
    ['sms', 'failed', 'sms_dropped'],
    ['in_app', 'opened', 'in_app_open'],
    ['in_app', 'clicked', 'in_app_click'],
  ])('%s %s is %s', async (object, metric, expected) => {
    expect(await told('customerio', [event(metric, object)])).toEqual([
      `${expected} ann@x.example`,
    ]);
  });

  test('what is told beside another event is skipped, a channel that is not known is refused', async () => {
    const payload = [
      event('human_opened'),
      event('drafted'),
      event('drafted', 'push'),
      event('sent', 'slack'),
      event('sent', 'fax'),
      event('frobnicated', 'sms'),
    ];
    expect(await told('customerio', payload)).toEqual([
      ...['skipped', 'skipped', 'skipped', 'skipped', 'refused', 'refused'],
    ]);
  });

  test('a phone number and a list of devices are nobody: the person is told otherwise', async () => {
    const of = (object: string, data: object) => ({ ...event('sent', object), data });
    const identifiers = { id: '12345' };
    expect(
      await told('customerio', [
        of('sms', { recipient: '+1234567890', identifiers, delivery_id: 'd' }),
        of('push', { recipients: [{ device_id: 'a' }], customer_id: '12345', delivery_id: 'e' }),
        of('email', { recipient: 'ann@x.example', identifiers, delivery_id: 'f' }),
        of('sms', { recipient: '+1234567890', delivery_id: 'g' }),
      ]),
    ).toEqual(['sms_sent 12345', 'push_sent 12345', 'email_sent ann@x.example', 'refused']);
  });
});

test.each([
  ['mandrill', { event: 'click', ts: at, _id: 'x', msg: { _id: 'x', email: 'a@x' } }, 'url'],
  ['mailjet', { event: 'click', time: at, MessageID: 1, email: 'a@x' }, 'url'],
  ['brevo', { event: 'click', ts_epoch: at * 1_000, 'message-id': '<1@x>', email: 'a@x' }, 'link'],
  ['brevo', { event: 'click', ts_event: at, ts: at, camp_id: 1, email: 'a@x' }, 'URL'],
])('%s: two links clicked in one instant are two events', async (provider, click, link) => {
  const both = ['http://a', 'http://b'].map((url) => ({ ...click, [link]: url }));
  const [a, b, again] = await events(provider, [...both, both[0]]);
  expect([a?.link, b?.link]).toEqual(['http://a', 'http://b']);
  expect(a?.id).not.toBe(b?.id);
  expect(again?.id).toBe(a?.id);
});

describe('the analytics spec', () => {
  const call = (more: object) => ({ userId: 'ann', timestamp: iso, ...more });

  test('value is money of orders alone', async () => {
    const payload = [
      call({ type: 'track', event: 'Survey Answered', properties: { value: 'very good' } }),
      call({ type: 'page', properties: { value: 1.005 } }),
      call({ type: 'track', event: 'Order Completed', properties: { order_id: 'o', value: 12.5 } }),
      call({ type: 'track', event: 'Order Completed', properties: { total: { amount: 20 } } }),
    ];
    const found = await mapped('segment-spec', payload);
    expect(found.map((one) => recordsOf(one)[0]?.value.numbers)).toEqual([
      undefined,
      undefined,
      { amount: 1_250 },
      undefined,
    ]);
    expect(found[3]).toHaveProperty('reject');
  });

  test('a trait of null has no value any more; calls without messageId are told apart by content', async () => {
    const payload = {
      batch: [null, '', 'pro'].map((plan) => call({ type: 'identify', traits: { plan } })),
    };
    const found = await events('segment-spec', payload);
    expect(found.map(({ traits }) => traits)).toEqual([
      { plan: null },
      { plan: null },
      { plan: 'pro' },
    ]);
    expect(new Set(found.map(({ id }) => id)).size).toBe(3);
  });
});

const providers = ['amazon-ses', 'mailgun', 'postmark', 'sendgrid', 'sparkpost'];

test.each(providers)('%s: every rule says where it stands in the documentation', async (name) => {
  const mapping = await readMapping(name);
  expect([mapping.note].flat().join(' ')).toContain('https://');
  const rules = 'rules' in mapping.class ? mapping.class.rules : [];
  expect(rules.filter(({ note = '' }) => note.length < 10)).toEqual([]);
  expect(rules.length).toBeGreaterThan(5);
});

/**
 * Payloads out of the providers' documentation and of a library's tests, where they are at hand.
 */
const samples = '../shared/data/esp-webhook-samples';

describe.runIf(existsSync(samples))('samples', () => {
  test.each([
    ['amazon-ses', 'amazon_ses_docs_examples.json', 0],
    ['amazon-ses', 'anymail_amazon_ses.json', 4],
    ['mailgun', 'mailgun_docs_event_examples.json', 0],
    ['mailgun', 'anymail_mailgun.json', 15],
    ['postmark', 'anymail_postmark.json', 1],
    ['sendgrid', 'sendgrid_docs_event_examples.json', 5],
    ['sendgrid', 'anymail_sendgrid.json', 0],
    ['sparkpost', 'anymail_sparkpost.json', 8],
  ])('%s reads %s', async (provider, file, fragments) => {
    const payloads = JSON.parse(readFileSync(join(samples, file), 'utf8')) as unknown[];
    const found = await mapped(provider, payloads);
    const refused = found.flatMap((one) => ('reject' in one ? [one.reject] : []));
    expect(found.length).toBeGreaterThan(5);
    // Some samples are fragments: they have no recipient, time or event.
    const isFragment =
      /^there is no (subject|time)|^no rule .* event "(metadata-event)?"|"123456789"/;
    expect(refused.filter((one) => !isFragment.test(one))).toEqual([]);
    expect(refused.length).toBe(fragments);
  });
});
