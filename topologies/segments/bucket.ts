/** A stable share of the subjects, for tests and roll-outs that keep each subject on one side. */
import { createHash } from 'node:crypto';

/** Shares are ten-thousandths. */
export const buckets = 10_000;

/** First 53 bits of SHA-256(salt, subject) modulo 10,000. */
export function bucketOf(salt: string, subject: string): number {
  const digest = createHash('sha256').update(salt).update(subject).digest();
  return Number((digest.readBigUInt64BE(0) >> 11n) % BigInt(buckets));
}
