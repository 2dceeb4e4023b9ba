/** What the signature schemes of webhook providers share. Every comparison takes constant time. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

/** A request as a provider signed it. */
export interface SignedRequest {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** The body as received, before JSON is decoded. */
  readonly body: Buffer;
  /** ms UTC. */
  readonly now: number;
}

export interface SignatureSettings {
  readonly secrets: readonly string[];
  /** Accepted difference between the signature's time and now, ms. */
  readonly toleranceMs: number;
  readonly url?: string;
  readonly topicArns?: readonly string[];
}

/**
 * Why a request is not accepted as the provider's; the text never contains a secret or a signature.
 */
export class SignatureError extends Error {
  /** 'stale' is a kind of its own, because a clock may be wrong. */
  readonly kind: 'missing' | 'wrong' | 'stale';

  constructor(kind: 'missing' | 'wrong' | 'stale', message: string) {
    super(message);
    this.kind = kind;
  }
}

/** The value of a header that must be there once. @throws SignatureError when it is not */
export function header({ headers }: SignedRequest, name: string): string {
  const value = headers[name];
  if (typeof value === 'string' && value !== '') return value;
  throw new SignatureError('missing', `the header ${name} is missing`);
}

/**
 * Compares digests of both texts, so that neither their lengths nor the duration reveal anything.
 */
export function same(a: string | Buffer, b: string | Buffer): boolean {
  const digest = (value: string | Buffer) => createHash('sha256').update(value).digest();
  return timingSafeEqual(digest(a), digest(b));
}

type Encoding = 'hex' | 'base64';

/**
 * Checks that one of the secrets makes this HMAC of the parts. @throws SignatureError when none
 * does
 */
export function checkHmac(
  algorithm: 'sha256' | 'sha1',
  secrets: readonly (string | Buffer)[],
  parts: readonly (string | Buffer)[],
  signatures: readonly string[],
  encoding: Encoding,
): void {
  for (const secret of secrets) {
    const hmac = createHmac(algorithm, secret);
    for (const part of parts) hmac.update(part);
    const wanted = hmac.digest(encoding);
    if (signatures.some((signature) => same(signature, wanted))) return;
  }
  throw new SignatureError('wrong', 'the signature does not match the body');
}

/**
 * @param seconds since 1970, as text
 * @throws SignatureError when it is not a time, or too far from now
 */
export function checkAge(seconds: string, { now }: SignedRequest, toleranceMs: number): void {
  if (!/^\d{1,12}$/.test(seconds)) {
    throw new SignatureError('wrong', 'the time of the signature is not a number of seconds');
  }
  if (Math.abs(now - Number(seconds) * 1_000) > toleranceMs) {
    throw new SignatureError('stale', 'the time of the signature is too far from now');
  }
}

/** Checks HTTP Basic authentication against the secrets, each `user:password`. */
export function checkBasic(request: SignedRequest, secrets: readonly string[]): void {
  const [scheme = '', credentials = ''] = header(request, 'authorization').split(' ');
  const told = Buffer.from(credentials, 'base64');
  if (scheme.toLowerCase() === 'basic' && secrets.some((secret) => same(secret, told))) return;
  throw new SignatureError('wrong', 'user or password is wrong');
}

/** Checks for a bearer token that is one of the secrets. */
export function checkBearer(request: SignedRequest, secrets: readonly string[]): void {
  const [scheme = '', token = ''] = header(request, 'authorization').split(' ');
  if (scheme.toLowerCase() === 'bearer' && secrets.some((secret) => same(secret, token))) return;
  throw new SignatureError('wrong', 'the token is wrong');
}
