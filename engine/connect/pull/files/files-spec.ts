/** `kind: folder` and `kind: s3`: files as they appear. */

import { address, type CommonSpec } from '../common-spec.ts';
import { type SecretSpec, secret } from '../secrets.ts';
import {
  type Check,
  type Fields,
  fields,
  flag,
  isPlain,
  maybe,
  numberFrom,
  oneOf,
  text,
  variants,
} from '../spec-check.ts';

/** How a complete file is recognised. */
export type CompleteSpec =
  /** It has not changed for this time; default 5 s. */
  | { readonly by: 'stable'; readonly seconds?: number }
  /** A file `a.csv.done` exists next to `a.csv`. */
  | { readonly by: 'marker'; readonly suffix?: string }
  /** It is written under another name, then renamed, so every visible file is complete. */
  | { readonly by: 'rename' };

export interface FolderSpec extends CommonSpec {
  readonly kind: 'folder';
  readonly path: string;
  /** Names of files that are read; `*` and `?` stand for any characters. Default: data files. */
  readonly pattern?: string;
  readonly complete?: CompleteSpec;
}

export interface S3Spec extends CommonSpec {
  readonly kind: 's3';
  readonly bucket: string;
  readonly prefix?: string;
  readonly pattern?: string;
  /** Address of a service other than Amazon's. */
  readonly endpoint?: string;
  readonly region?: string;
  /** The bucket is in the path, not in the host name. */
  readonly pathStyle?: boolean;
  /** Default: resolved by the AWS SDK. */
  readonly credentials?: { readonly accessKeyId: SecretSpec; readonly secretAccessKey: SecretSpec };
  /**
   * 'modified' (default): lists all names, and reads objects in the order of their times. 'key':
   * only lists names after the last one, for buckets in which names increase.
   */
  readonly list?: 'modified' | 'key';
  /** For 'modified': how much later than its time an object may appear, seconds; default a day. */
  readonly overlapSeconds?: number;
}

const pattern: Check = (value, path, tell) => {
  if (typeof value !== 'string' || value === '' || value.includes('/')) {
    tell(path, 'must be the pattern of a name, such as *.csv');
  }
};

export const folderFields: Fields = {
  path: text,
  pattern: maybe(pattern),
  complete: maybe(
    variants('by', {
      stable: { seconds: maybe(numberFrom(0, 86_400)) },
      marker: { suffix: maybe(text) },
      rename: {},
    }),
  ),
};

export const s3Fields: Fields = {
  bucket: text,
  prefix: maybe(text),
  pattern: maybe(pattern),
  endpoint: maybe(address),
  region: maybe(text),
  pathStyle: maybe(flag),
  credentials: maybe(fields({ accessKeyId: secret, secretAccessKey: secret })),
  list: maybe(oneOf('modified', 'key')),
  overlapSeconds: maybe(numberFrom(0, 31_536_000)),
};

/** Rows of files are read by a mapping, or by the file extension. */
export const fileRules: Check = (value, path, tell) => {
  if (!isPlain(value)) return;
  const { list, overlapSeconds } = value as Partial<S3Spec>;
  if (list === 'key' && overlapSeconds !== undefined) {
    tell(`${path}.overlapSeconds`, "is for 'list': 'modified' alone");
  }
};
