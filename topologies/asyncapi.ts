/**
 * The topics of the ready topology as an AsyncAPI document, for programs that read or write them.
 */
import {
  activityLabels,
  events,
  lateEvents,
  scores,
  segmentChanges,
  segmentStates,
} from './event.ts';
import { identityKinds, identityLinks } from './identity.ts';

const text = { type: 'string' } as const;
const whole = { type: 'integer' } as const;
const instant = { type: 'integer', description: 'ms UTC' } as const;
const flag = { type: 'boolean' } as const;

function object(
  properties: Readonly<Record<string, unknown>>,
  optional: readonly string[] = [],
  description?: string,
) {
  const required = Object.keys(properties).filter((name) => !optional.includes(name));
  return {
    type: 'object',
    ...(description === undefined ? {} : { description }),
    properties,
    required,
    additionalProperties: false,
  };
}

const mapOf = (value: object) => ({ type: 'object', additionalProperties: value });

const identifier = object({ kind: { enum: identityKinds }, id: text });
const evidence = object(
  {
    ...{ machine: flag, ip: text, agent: text, method: text, prefetch: flag, honeypot: flag },
    links: whole,
  },
  ['machine', 'ip', 'agent', 'method', 'prefetch', 'honeypot', 'links'],
);

const event = object(
  {
    id: { ...text, description: 'Unique for a subject within the grace period.' },
    class: { ...text, description: 'What happened.' },
    item: { ...text, description: 'What counts at most once an hour; default the id.' },
    link: text,
    evidence,
    purpose: text,
    until: instant,
    currency: { ...text, description: 'ISO 4217.' },
    traits: mapOf({ type: ['string', 'number', 'boolean', 'null'] }),
    numbers: mapOf({ type: 'integer' }),
    identities: { type: 'array', items: identifier },
    absorbed: object({ subject: text, profile: {} }),
    rebuilt: {},
    via: { type: 'array', items: text },
    proto: { type: 'object', description: 'Values of traits or numbers named __proto__.' },
  },
  [
    ...['item', 'link', 'evidence', 'purpose', 'until', 'currency', 'traits', 'numbers'],
    ...['identities', 'absorbed', 'rebuilt', 'via', 'proto'],
  ],
);

const scoreChange = object({
  score: { type: 'integer', minimum: 0, maximum: 99 },
  subs: mapOf({ type: 'integer', minimum: 0, maximum: 99 }),
  band: text,
  effectiveAt: instant,
  cause: { enum: ['event', 'time', 'correction'] },
});

const activityLabel = object({
  user: text,
  eventId: text,
  label: { enum: ['machine', 'human'] },
  class: text,
  rules: { type: 'array', items: text },
  version: whole,
  at: instant,
  decidedAt: instant,
  correction: flag,
});

const segmentChange = object(
  {
    user: text,
    segment: text,
    version: whole,
    seq: whole,
    type: { enum: ['entered', 'exited'] },
    effectiveAt: instant,
    decidedAt: instant,
    cause: {
      enum: ['event', 'time', 'correction', 'definition', 'merge', 'consent', 'erasure', 'replay'],
    },
    witness: { type: 'array', items: text, maxItems: 5 },
    supersedes: whole,
    scoreSnapshot: object({ score: whole, band: text }),
    mergedInto: text,
  },
  ['supersedes', 'scoreSnapshot', 'mergedInto'],
);

const segmentState = object({ in: flag, since: instant, version: whole, seq: whole });

const ranked = object({ id: text, rank: whole });
const identityMessage = {
  oneOf: [
    object({ type: { const: 'link' }, rank: whole, other: ranked, end: flag, otherEnd: flag }),
    object({ type: { const: 'find' }, rank: whole, root: ranked, end: flag }),
    object({ type: { const: 'join' }, rank: whole, parent: ranked }),
    object({ type: { const: 'split' }, rank: whole }),
  ],
};

interface Described {
  readonly topic: { readonly name: string; readonly cleanup?: string | undefined };
  readonly about: string;
  readonly key: string;
  readonly format: 'application/json' | 'application/msgpack';
  readonly schema: object;
  /** Whether other programs may write it. */
  readonly written?: boolean;
}

const packed = 'application/msgpack';
const plain = 'application/json';

/**
 * Every topic of the application; a test compares the list with the topology and with real records.
 */
export const describedTopics: readonly Described[] = [
  {
    ...{ topic: events, about: 'What happened.', key: 'subject', format: packed, schema: event },
    written: true,
  },
  {
    ...{ topic: lateEvents, about: 'Events after the grace period.', key: 'subject' },
    ...{ format: packed, schema: event },
  },
  {
    ...{ topic: scores, about: 'Engagement; no value: the subject is gone.', key: 'subject' },
    ...{ format: plain, schema: scoreChange },
  },
  {
    ...{
      topic: activityLabels,
      about: 'Activities that count as a machine’s, and why.',
      key: 'subject',
    },
    ...{ format: plain, schema: activityLabel },
  },
  {
    ...{ topic: segmentChanges, about: 'Every entry and exit.', key: 'subject' },
    ...{ format: plain, schema: segmentChange },
  },
  {
    ...{ topic: segmentStates, about: 'The last state of each.', key: 'subject|segment' },
    ...{ format: plain, schema: segmentState },
  },
  {
    ...{ topic: identityLinks, about: "The graph's own messages.", key: 'identifier' },
    ...{ format: plain, schema: identityMessage },
  },
];

/** AsyncAPI 3.0. */
export function asyncApiDocument(): object {
  const channels: Record<string, object> = {};
  const operations: Record<string, object> = {};
  const messages: Record<string, object> = {};
  for (const { topic, about, key, format, schema, written = false } of describedTopics) {
    const { name, cleanup = 'delete' } = topic;
    messages[name] = {
      contentType: format,
      payload: schema,
      bindings: { kafka: { key: { type: 'string', description: key } } },
    };
    channels[name] = {
      address: name,
      description: about,
      messages: { [name]: { $ref: `#/components/messages/${name}` } },
      bindings: { kafka: { topicConfiguration: { 'cleanup.policy': [cleanup] } } },
    };
    const channel = { $ref: `#/channels/${name}` };
    operations[`send-${name}`] = { action: 'send', channel };
    if (written) operations[`receive-${name}`] = { action: 'receive', channel };
  }
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Millrace: topics of the ready topology',
      version: '1',
      description: 'Engagement scores and segment membership of subjects, as they change.',
    },
    defaultContentType: plain,
    channels,
    operations,
    components: { messages },
  };
}
