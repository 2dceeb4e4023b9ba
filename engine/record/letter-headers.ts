/**
 * The headers of a dead letter: its own (stage, step, reason, place), then those of the record,
 * each under `header.<name>`, so that a replay can write the original record. A replayed record has
 * a header that counts the earlier attempts; if it fails again, its dead letter has the count.
 */
import { decodePairs, encodePairs, type Headers } from './headers.ts';

/**
 * On a replayed record: the number of earlier attempts. Consumers can recognise replayed records by
 * it.
 */
export const triedHeader = 'millrace-tried';
/** In a dead letter: the number of attempts; absent the first time. */
export const attemptsHeader = 'attempts';

/**
 * In a dead letter that was too large for its log: the original length of its value, bytes. It
 * cannot be replayed.
 */
export const cutHeader = 'cut';

const kept = 'header.';

/**
 * @param own of the dead letter
 * @param record header bytes of the record; our marks come first, unchanged
 */
export function letterHeaders(own: Headers, record: Uint8Array | undefined): Buffer {
  const pairs: [string, Buffer][] = Object.entries(own).map(([name, value]) => [
    name,
    Buffer.from(value),
  ]);
  const given = record === undefined ? [] : decodePairs(record);
  const tried = given.find(([name]) => name === triedHeader)?.[1];
  if (tried !== undefined) {
    pairs.push([attemptsHeader, Buffer.from(String(countOf(tried.toString()) + 1))]);
  }
  for (const [name, value] of given) {
    if (name !== triedHeader) pairs.push([`${kept}${name}`, value]);
  }
  return encodePairs(pairs);
}

interface LetterBytes {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: Uint8Array;
}

/**
 * A letter of at most `most` bytes: a larger one keeps the beginning of its value, and the reason.
 */
export function fittedLetter(letter: LetterBytes, most: number): LetterBytes {
  const { value } = letter;
  const size = (bytes: Uint8Array | null) => bytes?.byteLength ?? 0;
  if (size(letter.key) + size(value) + size(letter.headers) <= most) return letter;
  const pairs = decodePairs(letter.headers).filter(
    ([name]) => name !== 'row' && !name.startsWith(kept),
  );
  const headers = encodePairs([...pairs, [cutHeader, Buffer.from(String(size(value)))]]);
  const key = size(letter.key) + headers.byteLength <= most ? letter.key : null;
  const room = Math.max(0, most - size(key) - headers.byteLength);
  return { key, value: value === null ? null : value.subarray(0, room), headers };
}

/**
 * The headers for the replay of a dead letter's record.
 * @param attempts until now
 */
export function replayedHeaders(letter: Uint8Array, attempts: number): Buffer {
  const own = decodePairs(letter)
    .filter(([name]) => name.startsWith(kept))
    .map(([name, value]): [string, Buffer] => [name.slice(kept.length), value]);
  return encodePairs([...own, [triedHeader, Buffer.from(String(attempts))]]);
}

/** The number of attempts of a dead letter's record. */
export function attemptsOf(letter: Headers): number {
  return countOf(letter[attemptsHeader]);
}

/** Parses a count that others may have written. */
function countOf(text: string | undefined): number {
  return text !== undefined && /^[1-9]\d{0,8}$/.test(text) ? Number(text) : 1;
}
