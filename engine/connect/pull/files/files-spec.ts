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

/** How it is known that a file is written to its end. */
export type CompleteSpec =
  /** It was not changed for this time; default 5 s. */
  | { readonly by: 'stable'; readonly seconds?: number }
  /** Beside `a.csv` stands `a.csv.done`. */
  | { readonly by: 'marker'; readonly suffix?: string }
  /** It is written under another name, then renamed: one that is there is complete. */
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
  /** Of another service than that of Amazon. */
  readonly endpoint?: string;
  readonly region?: string;
  /** The bucket stands in the path, not in the name of the host. */
  readonly pathStyle?: boolean;
  /** Default: as the AWS SDK finds them. */
  readonly credentials?: { readonly accessKeyId: SecretSpec; readonly secretAccessKey: SecretSpec };
  /**
   * 'modified' (default): lists all names, and reads objects in the order of their times. 'key':
   * only lists names after the last one, for buckets in which names increase.
   */
  readonly list?: 'modified' | 'key';
  /**
   * Of 'modified': an object may appear so much later than its time says, seconds; default a day.
   */
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

/** Rows of files are read as a mapping says, or by the ending of the name. */
export const fileRules: Check = (value, path, tell) => {
  if (!isPlain(value)) return;
  const { list, overlapSeconds } = value as Partial<S3Spec>;
  if (list === 'key' && overlapSeconds !== undefined) {
    tell(`${path}.overlapSeconds`, "is for 'list': 'modified' alone");
  }
};
