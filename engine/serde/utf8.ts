import { copiedByLoop, latin1 } from '../base/bytes.ts';
import { checked as checking } from './faithful.ts';
import { decodeOrKnow, encodeText, type Serde } from './serde.ts';

/**
 * Strings as UTF-8. Bytes that are not UTF-8, and halves of surrogate pairs, are an error, never a
 * replacement character.
 */
export const utf8: Serde<string> = checking({
  format: 'utf8',
  encode: encodeText(checked),
  decode: decodeOrKnow(decoded, (keyText) => {
    for (let i = 0; i < keyText.length; i++) if (keyText.charCodeAt(i) > 0x7f) return undefined;
    return keyText;
  }),
});

function decoded(bytes: Buffer, start: number, end: number): string {
  if (end - start <= copiedByLoop && isAscii(bytes, start, end)) return latin1(bytes, start, end);
  const text = bytes.toString('utf8', start, end);
  if (text.includes('\ufffd')) strict.decode(bytes.subarray(start, end));
  return text;
}

function checked(value: string): string {
  if (typeof value === 'string') {
    if ((value as unknown as { isWellFormed(): boolean }).isWellFormed()) return value;
    throw new TypeError('utf8: half a surrogate pair has no form in UTF-8');
  }
  throw new TypeError(
    `utf8: expected a string, got ${typeof value}: name the serde of such values, e.g. { key: int64 }`,
  );
}

function isAscii(bytes: Buffer, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if ((bytes[i] as number) > 0x7f) return false;
  return true;
}

const strict = new TextDecoder('utf-8', { fatal: true });
