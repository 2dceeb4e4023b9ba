/** What the signature schemes of webhook providers share. Every comparison takes constant time. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

/** A request as a provider signed it. */
export interface SignedRequest {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** The body as it came, before any decoding of JSON. */
  readonly body: Buffer;
  /** ms UTC. */
  readonly now: number;
}

export interface SignatureSettings {
  readonly secrets: readonly string[];
  /** Difference between the signature's time and now that is accepted, ms. */
  readonly toleranceMs: number;
  readonly url?: string;
  readonly topicArns?: readonly string[];
}

/** Why a request is not the provider's; the text never contains a secret or a signature. */
export class SignatureError extends Error {
  /** 'stale' is told apart: a clock may be wrong. */
  readonly kind: 'missing' | 'wrong' | 'stale';

  constructor(kind: 'missing' | 'wrong' | 'stale', message: string) {
    super(message);
    this.kind = kind;
  }
}

/** The value of a header that stands once. @throws SignatureError when it is not there */
export function header({ headers }: SignedRequest, name: string): string {
  const value = headers[name];
  if (typeof value === 'string' && value !== '') return value;
  throw new SignatureError('missing', `the header ${name} is missing`);
}

/** Compares digests of both texts: their lengths may differ, and tell nothing. */
export function same(a: string | Buffer, b: string | Buffer): boolean {
  const digest = (value: string | Buffer) => createHash('sha256').update(value).digest();
  return timingSafeEqual(digest(a), digest(b));
}

type Encoding = 'hex' | 'base64';

/** One of the secrets makes this HMAC of the parts. @throws SignatureError when none does */
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
  throw new SignatureError('wrong', 'the signature does not fit the body');
}

/**
 * @param seconds since 1970, as text
 * @throws SignatureError when it is no time, or too far from now
 */
export function checkAge(seconds: string, { now }: SignedRequest, toleranceMs: number): void {
  if (!/^\d{1,12}$/.test(seconds)) {
    throw new SignatureError('wrong', 'the time of the signature is not a number of seconds');
  }
  if (Math.abs(now - Number(seconds) * 1_000) > toleranceMs) {
    throw new SignatureError('stale', 'the time of the signature is too far from now');
  }
}

/** HTTP Basic authentication with one of the secrets, each `user:password`. */
export function checkBasic(request: SignedRequest, secrets: readonly string[]): void {
  const [scheme = '', credentials = ''] = header(request, 'authorization').split(' ');
  const told = Buffer.from(credentials, 'base64');
  if (scheme.toLowerCase() === 'basic' && secrets.some((secret) => same(secret, told))) return;
  throw new SignatureError('wrong', 'user or password is wrong');
}

/** A bearer token that is one of the secrets. */
export function checkBearer(request: SignedRequest, secrets: readonly string[]): void {
  const [scheme = '', token = ''] = header(request, 'authorization').split(' ');
  if (scheme.toLowerCase() === 'bearer' && secrets.some((secret) => same(secret, token))) return;
  throw new SignatureError('wrong', 'the token is wrong');
}
