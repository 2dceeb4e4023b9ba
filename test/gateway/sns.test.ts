/** Amazon SNS: signatures by a certificate, and no address that a sender could choose. */
import { execFileSync } from 'node:child_process';
import { createSign } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { type SnsMessage, SnsTopics } from '../../topologies/gateway/webhooks/sns.ts';

const now = Date.parse('2026-01-01T10:00:00.000Z');
const arn = 'arn:aws:sns:eu-west-1:123456789012:ses-events';
const certificateUrl = 'https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-abc123.pem';
let [key, certificate] = ['', ''];

beforeAll(() => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-test-'));
  const [keyFile, certificateFile] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')];
  const subject = ['-subj', '/CN=sns.amazonaws.com', '-days', '36500', '-nodes'];
  const files = ['-keyout', keyFile, '-out', certificateFile];
  const dates = ['-not_before', '20200101000000Z', '-not_after', '20400101000000Z'];
  const base = ['req', '-x509', '-newkey', 'rsa:2048', ...subject, ...files];
  try {
    execFileSync('openssl', [...base, ...dates], { stdio: 'ignore' });
  } catch {
    execFileSync('openssl', base, { stdio: 'ignore' });
  }
  key = readFileSync(keyFile, 'utf8');
  certificate = readFileSync(certificateFile, 'utf8');
  rmSync(folder, { recursive: true });
});

/** As Amazon documents the text that is signed. */
function signed(fields: Partial<SnsMessage>, names: readonly (keyof SnsMessage)[]): SnsMessage {
  const message = {
    Type: 'Notification',
    MessageId: 'm1',
    TopicArn: arn,
    Message: '{}',
    Timestamp: new Date(now).toISOString(),
    SignatureVersion: '2',
    SigningCertURL: certificateUrl,
    Signature: '',
    ...fields,
  };
  const text = names
    .filter((name) => message[name as keyof typeof message] !== undefined)
    .map((name) => `${name}\n${message[name as keyof typeof message]}\n`)
    .join('');
  const kind = message.SignatureVersion === '1' ? 'sha1' : 'sha256';
  return { ...message, Signature: createSign(kind).update(text).sign(key, 'base64') };
}

const notification = ['Message', 'MessageId', 'Subject', 'Timestamp', 'TopicArn', 'Type'] as const;

function topics() {
  const asked: string[] = [];
  const get = async (url: URL) => {
    asked.push(url.href);
    return certificate;
  };
  return { asked, sns: new SnsTopics({ topicArns: [arn], toleranceMs: 3_600_000, get }) };
}

describe('messages of SNS', () => {
  // The certificate is of today where openssl cannot set its dates.
  const clock = () => Math.max(now, Date.now());
  const current = { Timestamp: new Date(Math.max(now, Date.now())).toISOString() };

  test.each(['1', '2'])('version %s of the signature is taken', async (SignatureVersion) => {
    const { sns, asked } = topics();
    const message = signed({ ...current, SignatureVersion }, notification);
    expect((await sns.checked(message, clock())).MessageId).toBe('m1');
    await sns.checked(message, clock());
    expect(asked).toEqual([certificateUrl]);
  });

  test.each([
    ['another body', { Message: '{"x":1}' }],
    ['another topic of theirs', { TopicArn: 'arn:aws:sns:eu-west-1:999999999999:other' }],
    ['a certificate elsewhere', { SigningCertURL: 'https://evil.example/a.pem' }],
    [
      'a certificate of a host that looks alike',
      { SigningCertURL: `${certificateUrl.replace('.com/', '.com.evil.example/')}` },
    ],
    ['a certificate over http', { SigningCertURL: certificateUrl.replace('https', 'http') }],
    ['an unknown version', { SignatureVersion: '3' }],
    ['no signature', { Signature: undefined }],
  ])('%s is refused, and nothing else is asked for', async (_, change) => {
    const { sns, asked } = topics();
    const message = { ...signed(current, notification), ...change };
    await expect(sns.checked(message, clock())).rejects.toThrow();
    expect(asked.filter((url) => url !== certificateUrl)).toEqual([]);
  });

  test('a message of yesterday is refused', async () => {
    const { sns } = topics();
    const Timestamp = new Date(clock() - 86_400_000).toISOString();
    const message = signed({ Timestamp }, notification);
    await expect(sns.checked(message, clock())).rejects.toMatchObject({ kind: 'stale' });
  });

  test('a subscription is confirmed at the address of the topic, not at SubscribeURL', async () => {
    const { sns, asked } = topics();
    const names = [
      'Message',
      'MessageId',
      'SubscribeURL',
      'Timestamp',
      'Token',
      'TopicArn',
      'Type',
    ] as const;
    const message = signed(
      {
        ...current,
        Type: 'SubscriptionConfirmation',
        Token: 't',
        SubscribeURL: 'https://evil.example/confirm',
      },
      names,
    );
    await sns.confirm(await sns.checked(message, clock()));
    const [, confirmed = ''] = asked;
    const url = new URL(confirmed);
    expect(url.host).toBe('sns.eu-west-1.amazonaws.com');
    expect(Object.fromEntries(url.searchParams)).toEqual({
      Action: 'ConfirmSubscription',
      TopicArn: arn,
      Token: 't',
    });
  });
});
