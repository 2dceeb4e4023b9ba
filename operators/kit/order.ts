/** Orders of what a step releases. */

/** By the bytes of the key. */
export function byKeyId(a: { readonly keyId: string }, b: { readonly keyId: string }): number {
  return a.keyId < b.keyId ? -1 : a.keyId > b.keyId ? 1 : 0;
}
