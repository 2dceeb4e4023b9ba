/** Reads decimal text as whole numbers, digit by digit, so that nothing is rounded. */

export interface DecimalForm {
  /** Number of decimals that are kept: with 2, 12.5 becomes 1250. Default 0. */
  readonly decimals?: number;
  /** The decimal mark; default a point. */
  readonly decimal?: '.' | ',';
  /** The mark between groups of three digits; default none. */
  readonly thousands?: (typeof groupMarks)[number];
}

export const groupMarks = ['.', ',', ' ', "'", '_'] as const;

/** A reader of text; it returns undefined for text that is not a number of this form. */
export function decimalReader(form: DecimalForm): (text: string) => number | undefined {
  const { decimals = 0, decimal = '.', thousands } = form;
  const mark = `\\${decimal}`;
  // A blank between groups may be a no-break space.
  const group = thousands === ' ' ? '[ \\u00a0\\u202f]' : `\\${thousands}`;
  const whole = thousands === undefined ? '\\d+' : `\\d{1,3}(?:${group}\\d{3})+|\\d+`;
  const expression = new RegExp(`^([+-]?)(${whole})(?:${mark}(\\d*?)0*)?$`);
  return (text) => {
    const match = expression.exec(text);
    if (match === null) return undefined;
    const [, sign = '', digits = '', fraction = ''] = match;
    if (fraction.length > decimals) return undefined;
    const found = Number(sign + digits.replace(/\D/g, '') + fraction.padEnd(decimals, '0'));
    return Number.isSafeInteger(found) ? found : undefined;
  };
}
