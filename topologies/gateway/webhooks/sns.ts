/**
 * Messages of Amazon SNS: their signature, and the confirmation of a subscription.
 * docs.aws.amazon.com/sns: "Verifying the signatures of Amazon SNS messages", and "Making sure your
 * endpoint is ready": Type, Message, SubscribeURL.
 *
 * The sender cannot choose an address: the certificate is fetched from the SNS host of the topic's
 * own region, and a subscription is confirmed at an address made from the topic's ARN, not at
 * SubscribeURL.
 */
import { verify, X509Certificate } from 'node:crypto';
import { isObject } from '../../ingest/row-fields.ts';
import { SignatureError } from './signature.ts';

export interface SnsMessage {
  readonly Type: string;
  readonly MessageId: string;
  readonly TopicArn: string;
  readonly Message: string;
  readonly Timestamp: string;
  readonly Subject?: string;
  readonly Token?: string;
  readonly SubscribeURL?: string;
  readonly SignatureVersion: string;
  readonly Signature: string;
  readonly SigningCertURL: string;
}

export interface SnsSettings {
  readonly topicArns: readonly string[];
  /** ms; SNS repeats a delivery for about an hour. */
  readonly toleranceMs: number;
  /** GET of an https address; returns the body. */
  readonly get: (url: URL) => Promise<string>;
}

const notification = ['Message', 'MessageId', 'Subject', 'Timestamp', 'TopicArn', 'Type'] as const;
const confirmation = [
  'Message',
  'MessageId',
  'SubscribeURL',
  'Timestamp',
  'Token',
  'TopicArn',
  'Type',
] as const;

export class SnsTopics {
  readonly #settings: SnsSettings;
  /** Certificates by address; there are few, about one for each region. */
  readonly #certificates = new Map<string, Promise<string>>();

  constructor(settings: SnsSettings) {
    this.#settings = settings;
  }

  /** @throws SignatureError when it is not a message of one of the topics */
  async checked(value: unknown, now: number): Promise<SnsMessage> {
    const message = messageOf(value);
    const { topicArns, toleranceMs } = this.#settings;
    if (!topicArns.includes(message.TopicArn)) {
      throw new SignatureError('wrong', 'the topic is not one of those in the configuration');
    }
    const algorithm = { '1': 'sha1', '2': 'sha256' }[message.SignatureVersion];
    if (algorithm === undefined) {
      throw new SignatureError('wrong', 'the version of the signature is not supported');
    }
    const certificate = await this.#certificate(message, now);
    const signature = Buffer.from(message.Signature, 'base64');
    if (!verify(algorithm, Buffer.from(signedText(message)), certificate, signature)) {
      throw new SignatureError('wrong', 'the signature does not match the message');
    }
    const at = Date.parse(message.Timestamp);
    if (!(Math.abs(now - at) <= toleranceMs)) {
      throw new SignatureError('stale', 'the time of the message is too far from now');
    }
    return message;
  }

  /** Tells SNS that this endpoint wants the messages of the topic. */
  async confirm({ TopicArn, Token = '' }: SnsMessage): Promise<void> {
    const url = new URL(`https://${hostOf(TopicArn)}/`);
    url.search = new URLSearchParams({
      Action: 'ConfirmSubscription',
      TopicArn,
      Token,
    }).toString();
    await this.#settings.get(url);
  }

  async #certificate({ SigningCertURL, TopicArn }: SnsMessage, now: number) {
    const url = URL.canParse(SigningCertURL) ? new URL(SigningCertURL) : undefined;
    const host = hostOf(TopicArn);
    const fits =
      url?.protocol === 'https:' &&
      url.host === host &&
      /^\/SimpleNotificationService-[0-9a-zA-Z]{1,64}\.pem$/.test(url.pathname);
    if (!fits) {
      throw new SignatureError('wrong', `the certificate must be on https://${host}`);
    }
    let text = this.#certificates.get(url.href);
    if (text === undefined) {
      text = this.#settings.get(url);
      this.#certificates.set(url.href, text);
      text.catch(() => this.#certificates.delete(url.href));
    }
    const certificate = new X509Certificate(await text);
    if (now < Date.parse(certificate.validFrom) || now > Date.parse(certificate.validTo)) {
      throw new SignatureError('stale', 'the certificate is not valid now');
    }
    return certificate.publicKey;
  }
}

function messageOf(value: unknown): SnsMessage {
  const needed = [
    'Type',
    'MessageId',
    'TopicArn',
    'Message',
    'Timestamp',
    'SignatureVersion',
    'Signature',
    'SigningCertURL',
  ];
  const missing = needed.filter((name) => !isObject(value) || typeof value[name] !== 'string');
  if (missing.length === 0) return value as SnsMessage;
  throw new SignatureError('missing', `the message lacks ${missing.join(', ')}`);
}

/** The host of a topic's region. @throws SignatureError when the ARN names none */
function hostOf(arn: string): string {
  const [, partition, , region] =
    /^arn:(aws|aws-cn|aws-us-gov):(sns):([a-z0-9-]{1,32}):\d{12}:/.exec(arn) ?? [
      undefined,
      undefined,
      undefined,
      undefined,
    ];
  if (region === undefined) throw new SignatureError('wrong', 'the topic is not an SNS topic');
  return `sns.${region}.amazonaws.com${partition === 'aws-cn' ? '.cn' : ''}`;
}

function signedText(message: SnsMessage): string {
  const fields = message.Type === 'Notification' ? notification : confirmation;
  return fields
    .filter((name) => message[name] !== undefined)
    .map((name) => `${name}\n${message[name]}\n`)
    .join('');
}
