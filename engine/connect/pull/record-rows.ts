/** The rows of a record of a stream or topic: a JSON value, or one per line, plain or gzip. */

import { isUtf8 } from 'node:buffer';
import { gunzipSync } from 'node:zlib';
import { messageOf } from '../../base/errors.ts';
import { parseJson } from '../../serde/faithful-json.ts';
import { isAggregated, takenApart } from './aggregated.ts';
import { type PulledRow, rowOf } from './puller.ts';

/** Of a record, unzipped. */
const bytesMax = 16 * 2 ** 20;

type Found = Pick<PulledRow, 'fields' | 'problem' | 'skip' | 'raw'>;

/** @param unpack the rows that a value stands for; without it, an object is a row */
export function recordRows(
  data: Uint8Array,
  unpack: ((value: unknown) => readonly unknown[]) | undefined,
): Found[] {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const none = (problem: string): Found[] => [
    { fields: undefined, problem, raw: bytes.toString('base64') },
  ];
  if (isAggregated(bytes)) {
    const parts = takenApart(bytes);
    if (parts === undefined) return none('it is aggregated by a producer, and damaged');
    if (parts.length === 0) return [{ fields: undefined, skip: 'an empty list', raw: '' }];
    // Aggregated records are not nested: there is only one level.
    return parts.flatMap((part) =>
      isAggregated(part)
        ? [{ fields: undefined, problem: 'it is aggregated twice', raw: part.toString('base64') }]
        : recordRows(part, unpack),
    );
  }
  let text: string;
  try {
    const isGzip = bytes[0] === 0x1f && bytes[1] === 0x8b;
    const plain = isGzip ? gunzipSync(bytes, { maxOutputLength: bytesMax }) : bytes;
    if (!isUtf8(plain)) return none('it is not UTF-8 text');
    text = plain.toString('utf8');
  } catch (error) {
    return none(`it cannot be unzipped: ${messageOf(error)}`);
  }
  const whole = parseJson(text);
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const parts = 'value' in whole || lines.length < 2 ? [text] : lines;
  return parts.flatMap((raw): Found[] => {
    const parsed = parseJson(raw);
    if ('problem' in parsed) {
      return [{ fields: undefined, problem: `it ${parsed.problem}`, raw }];
    }
    const rows = unpack === undefined ? [parsed.value] : unpack(parsed.value);
    if (rows.length === 0) return [{ fields: undefined, skip: 'an empty list', raw }];
    return rows.map((row) => ({
      ...rowOf(row),
      raw: rows.length === 1 ? raw : (JSON.stringify(row) ?? ''),
    }));
  });
}
