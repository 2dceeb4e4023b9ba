/**
 * Records aggregated by the Kinesis Producer Library: four bytes of magic, a protobuf message, and
 * the MD5 of the message. github.com/awslabs/amazon-kinesis-producer: aggregation-format.md.
 */
import { createHash } from 'node:crypto';

const magic = Buffer.from([0xf3, 0x89, 0x9a, 0xc2]);
const digestBytes = 16;

/** Fields of the messages AggregatedRecord and Record. */
const records = 3;
const data = 3;

/** Kinds of fields, by the last three bits of a tag. */
const varint = 0;
const fixed64 = 1;
const lengthDelimited = 2;
const fixed32 = 5;

export function isAggregated(bytes: Buffer): boolean {
  return bytes.subarray(0, magic.length).equals(magic);
}

/** The records in their order; undefined if their MD5 is wrong or they are malformed. */
export function takenApart(bytes: Buffer): Buffer[] | undefined {
  const end = bytes.length - digestBytes;
  if (end < magic.length) return undefined;
  const message = bytes.subarray(magic.length, end);
  if (!createHash('md5').update(message).digest().equals(bytes.subarray(end))) return undefined;
  const found: Buffer[] = [];
  for (const record of fieldsOf(message, records) ?? [undefined]) {
    const parts = record === undefined ? undefined : fieldsOf(record, data);
    const part = parts?.at(-1);
    if (part === undefined) return undefined;
    found.push(part);
  }
  return found;
}

/** The bytes of each occurrence of a field; undefined if the bytes are not a protobuf message. */
function fieldsOf(message: Buffer, wanted: number): Buffer[] | undefined {
  const found: Buffer[] = [];
  for (let at = 0; at < message.length; ) {
    const tag = varintAt(message, at);
    if (tag === undefined) return undefined;
    const [field, kind] = [Math.floor(tag.value / 8), tag.value % 8];
    const value = kind === varint || kind === lengthDelimited ? varintAt(message, tag.end) : tag;
    if (value === undefined) return undefined;
    if (kind === varint) at = value.end;
    else if (kind === fixed64) at = tag.end + 8;
    else if (kind === fixed32) at = tag.end + 4;
    else if (kind === lengthDelimited) at = value.end + value.value;
    else return undefined;
    if (at > message.length) return undefined;
    if (kind === lengthDelimited && field === wanted) found.push(message.subarray(value.end, at));
  }
  return found;
}

function varintAt(bytes: Buffer, from: number): { value: number; end: number } | undefined {
  let value = 0;
  for (let i = 0; i < 10; i++) {
    const byte = bytes[from + i];
    if (byte === undefined) return undefined;
    value += (byte % 128) * 2 ** (7 * i);
    if (byte < 128) return { value, end: from + i + 1 };
  }
  return undefined;
}
