/** Headers between the packed form (record/headers.ts) and node-rdkafka's list of one-pair objects. */
import { emptyBytes } from '../../base/bytes.ts';

type Pair = Readonly<Record<string, string | Buffer>>;

export function headerBytesOf(headers: readonly Pair[]): Buffer {
  const parts = headers.flatMap((pair) =>
    Object.entries(pair).flatMap(([name, value]) => {
      const [nameBytes, valueBytes] = [Buffer.from(name), Buffer.from(value)];
      const lengths = Buffer.alloc(6);
      lengths.writeUInt16LE(nameBytes.byteLength, 0);
      lengths.writeUInt32LE(valueBytes.byteLength, 2);
      return [lengths.subarray(0, 2), nameBytes, lengths.subarray(2), valueBytes];
    }),
  );
  return parts.length === 0 ? emptyBytes : Buffer.concat(parts);
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
