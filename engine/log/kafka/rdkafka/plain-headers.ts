/** Headers between the packed form (record/headers.ts) and node-rdkafka's list of one-pair objects. */
import { encodePairs } from '../../../record/headers.ts';

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
    pairs.push({
      [bytes.toString('utf8', at + 2, nameEnd)]: bytes.subarray(nameEnd + 4, valueEnd),
    });
    at = valueEnd;
  }
  return pairs;
}
