/**
 * Tokens of signatures that do not cover the body. A token that was seen with one body is refused
 * with another while its signature would be accepted; the same request may come again.
 */
import { createHash } from 'node:crypto';
import { SignatureError } from './signature.ts';

/** The most tokens of a time window. Only a sender that signs can fill it. */
const most = 200_000;

export class UsedTokens {
  readonly #keepMs: number;
  /** In order of arrival. */
  readonly #seen = new Map<string, { readonly body: string; readonly at: number }>();

  /** @param toleranceMs accepted difference between a signature's time and now */
  constructor(toleranceMs: number) {
    this.#keepMs = 2 * toleranceMs;
  }

  /** @param now ms UTC @throws SignatureError when the token was seen with another body */
  check(token: string, body: Buffer, now: number): void {
    this.#forget(now);
    const hash = createHash('sha256').update(body).digest('base64');
    const known = this.#seen.get(token);
    if (known === undefined) this.#seen.set(token, { body: hash, at: now });
    else if (known.body !== hash) {
      throw new SignatureError('wrong', 'the token of the signature was used with another body');
    }
  }

  #forget(now: number): void {
    for (const [token, { at }] of this.#seen) {
      if (at >= now - this.#keepMs && this.#seen.size < most) return;
      this.#seen.delete(token);
    }
  }
}
