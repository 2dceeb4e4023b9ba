/** `kind: kinesis`: the records of an Amazon Kinesis stream. */

import { address, type CommonSpec, instant } from '../common-spec.ts';
import { type SecretSpec, secret } from '../secrets.ts';
import { type Check, type Fields, fields, maybe, text, whole } from '../spec-check.ts';

export interface KinesisSpec extends CommonSpec {
  readonly kind: 'kinesis';
  readonly stream: string;
  readonly region?: string;
  /** Address of a service other than Amazon's. */
  readonly endpoint?: string;
  /** Default: resolved by the AWS SDK. */
  readonly credentials?: { readonly accessKeyId: SecretSpec; readonly secretAccessKey: SecretSpec };
  /** Where the first run starts: earliest (default), latest, or an instant. */
  readonly start?: string;
  /** Records per request; default 1000, at most 10 000. */
  readonly recordsMax?: number;
}

const start: Check = (value, path, tell) => {
  if (value === 'earliest' || value === 'latest') return;
  instant(value, path, (at) => tell(at, "must be 'earliest', 'latest' or an instant"));
};

export const kinesisFields: Fields = {
  stream: text,
  region: maybe(text),
  endpoint: maybe(address),
  credentials: maybe(fields({ accessKeyId: secret, secretAccessKey: secret })),
  start: maybe(start),
  recordsMax: maybe(whole(1, 10_000)),
};
