/** Orders of released results. */

/** By the bytes of the key. */
export function byKeyText(
  a: { readonly keyText: string },
  b: { readonly keyText: string },
): number {
  return a.keyText < b.keyText ? -1 : a.keyText > b.keyText ? 1 : 0;
}
