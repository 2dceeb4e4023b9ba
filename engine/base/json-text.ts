/**
 * The value of a JSON text that a person may have written: editors of some systems put a byte-order mark before it.
 * Throws SyntaxError.
 */
export function jsonOf(text: string): unknown {
  return JSON.parse(text.replace(/^\uFEFF/, ''));
}
