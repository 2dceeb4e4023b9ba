/**
 * Converts headers between the packed form (record/headers.ts) and node-rdkafka's list of one-pair
 * objects. Its producer writes each value as a UTF-8 string cut at a NUL, so other values are not
 * preserved.
 */
import { encodePairs } from '../../../record/headers.ts';
import { asText } from '../../../record/marks.ts';

type Pair = Readonly<Record<string, string | Buffer>>;

export function headerBytesOf(headers: readonly Pair[]): Buffer {
  return encodePairs(
    headers.flatMap((pair) =>
      Object.entries(pair).map(([name, value]) => [name, Buffer.from(value)] as const),
    ),
  );
}

export function headersOf(bytes: Buffer): { [name: string]: Buffer }[] {
  const pairs: { [name: string]: Buffer }[] = [];
  for (let at = 0; at < bytes.byteLength; ) {
    const nameEnd = at + 2 + bytes.readUInt16LE(at);
    const valueEnd = nameEnd + 4 + bytes.readUInt32LE(nameEnd);
    const name = bytes.toString('utf8', at + 2, nameEnd);
    const value = bytes.subarray(nameEnd + 4, valueEnd);
    // Marks come first, and only in internal topics; a user's header after them keeps its name.
    const [written, text] = at === 0 ? asText(name, value) : [name, value];
    pairs.push({ [written]: text });
    at = valueEnd;
  }
  return pairs;
}
