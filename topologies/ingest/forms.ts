/**
 * The normal form of texts from all sources: without blanks at the ends, in Unicode form NFC, and
 * for e-mail addresses the part in angle brackets, in lower case. Each function is idempotent.
 */

/** Blanks and invisible marks at the ends of a text: zero-width characters and byte-order marks. */
const ends = /^[\s\u200B-\u200D\u2060\uFEFF]+|[\s\u200B-\u200D\u2060\uFEFF]+$/g;

/** Printable ASCII without a blank at its ends: it has this form already. */
const formed = /^[!-~]+(?: +[!-~]+)*$/;

export function textForm(text: string): string {
  if (formed.test(text)) return text;
  return text.normalize('NFC').replace(ends, '').normalize('NFC');
}

/**
 * For `Ann <Ann@Shop.example>`, `ann@shop.example`. The part before the @ is lowered too, since no
 * common provider distinguishes mailboxes by case. Dots and tags stay, because their meaning
 * differs by provider.
 */
export function emailForm(text: string): string {
  let told = textForm(text);
  // A name in brackets may contain an address in brackets; repeated until nothing is left to
  // remove.
  for (let before = ''; before !== told; ) {
    before = told;
    const address = /<([^<>]*)>$/.exec(told)?.[1] ?? told;
    told = textForm(address.replace(/^mailto:/i, '').toLowerCase());
  }
  return told;
}

/** Makes 17850 of 17850.0, as tables that parse numbers write it. */
export function numberForm(text: string): string {
  return textForm(text).replace(/^(\d+)\.0*$/, '$1');
}
