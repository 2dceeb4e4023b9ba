/**
 * The one form that texts have, whatever the source: without blanks about them, in Unicode's form
 * NFC, and e-mail addresses as the part in angle brackets, in small letters. Each form of a form is
 * itself.
 */

/**
 * Blanks, and marks that nobody sees at the ends of a text: zero-width ones and byte-order marks.
 */
const ends = /^[\s\u200B-\u200D\u2060\uFEFF]+|[\s\u200B-\u200D\u2060\uFEFF]+$/g;

/** Printable ASCII without a blank at its ends: it has this form already. */
const formed = /^[!-~]+(?: +[!-~]+)*$/;

export function textForm(text: string): string {
  if (formed.test(text)) return text;
  return text.normalize('NFC').replace(ends, '').normalize('NFC');
}

/**
 * Of `Ann <Ann@Shop.example>` `ann@shop.example`. The part before the @ is lowered, too: no
 * provider that people have keeps two mailboxes apart by it. Dots and tags stay: what they mean
 * differs by provider.
 */
export function emailForm(text: string): string {
  let told = textForm(text);
  // An address in brackets in a name in brackets: until there is nothing to take off.
  for (let before = ''; before !== told; ) {
    before = told;
    const address = /<([^<>]*)>$/.exec(told)?.[1] ?? told;
    told = textForm(address.replace(/^mailto:/i, '').toLowerCase());
  }
  return told;
}

/** 17850.0 of a table that has read numbers is 17850. */
export function numberForm(text: string): string {
  return textForm(text).replace(/^(\d+)\.0*$/, '$1');
}
