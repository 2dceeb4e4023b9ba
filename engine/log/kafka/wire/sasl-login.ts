/**
 * Logs a connection in: SASL PLAIN (RFC 4616) or SCRAM (RFC 5802, 7677), each message in a
 * SaslAuthenticate of Kafka.
 */
import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import type { Secret } from '../../../base/secret.ts';
import { saslAuthenticate, saslHandshake } from './cluster-requests.ts';
import type { Request } from './wire-request.ts';

export interface Credentials {
  readonly mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512';
  readonly username: string;
  readonly password: Secret;
}

/** The brokers refuse the login, or are not authentic: report it, do not retry. */
export class RefusedError extends Error {}

type Ask = <Answer>(request: Request<Answer>) => Promise<Answer>;

/**
 * Logs in; rejects with RefusedError if the broker refuses the credentials, or cannot prove that it
 * knows the password.
 */
export async function logIn(ask: Ask, credentials: Credentials): Promise<void> {
  const { mechanism, username, password } = credentials;
  const { error, mechanisms } = await ask(saslHandshake(mechanism));
  if (error !== 0) {
    throw new RefusedError(`the broker offers ${mechanisms.join(', ')}, not ${mechanism}`);
  }
  const say = async (message: string): Promise<string> => {
    const answer = await ask(saslAuthenticate(Buffer.from(message)));
    if (answer.error !== 0) throw new RefusedError(answer.problem ?? 'authentication failed');
    return answer.message.toString();
  };
  if (mechanism === 'PLAIN') await say(`\0${username}\0${password.reveal()}`);
  else await scram(say, mechanism === 'SCRAM-SHA-256' ? 'sha256' : 'sha512', username, password);
}

async function scram(
  say: (message: string) => Promise<string>,
  hash: 'sha256' | 'sha512',
  username: string,
  password: Secret,
): Promise<void> {
  const nonce = randomBytes(24).toString('base64');
  const name = username.replaceAll('=', '=3D').replaceAll(',', '=2C');
  const first = `n=${name},r=${nonce}`;
  const serverFirst = await say(`n,,${first}`);
  const { r: both = '', s: salt = '', i: iterations = '' } = attributesOf(serverFirst);
  // A server that does not continue our nonce replays an old response.
  if (!both.startsWith(nonce) || !(Number(iterations) >= 4_096)) {
    throw new RefusedError(
      'the broker answered SCRAM with a nonce or an iteration count that is not acceptable',
    );
  }
  const salted = await promisify(pbkdf2)(
    password.reveal(),
    Buffer.from(salt, 'base64'),
    Number(iterations),
    hash === 'sha256' ? 32 : 64,
    hash,
  );
  const keyed = (key: Uint8Array, text: string) => createHmac(hash, key).update(text).digest();
  const clientKey = keyed(salted, 'Client Key');
  const withoutProof = `c=${Buffer.from('n,,').toString('base64')},r=${both}`;
  const exchanged = `${first},${serverFirst},${withoutProof}`;
  const signature = keyed(createHash(hash).update(clientKey).digest(), exchanged);
  const proof = Buffer.from(clientKey.map((byte, i) => byte ^ (signature[i] as number)));
  const { v: verifier = '' } = attributesOf(
    await say(`${withoutProof},p=${proof.toString('base64')}`),
  );
  const expected = keyed(keyed(salted, 'Server Key'), exchanged);
  const shown = Buffer.from(verifier, 'base64');
  if (shown.length !== expected.length || !timingSafeEqual(shown, expected)) {
    throw new RefusedError('the broker does not know the password that it accepts');
  }
}

function attributesOf(message: string): Readonly<Record<string, string>> {
  return Object.fromEntries(message.split(',').map((part) => [part.slice(0, 1), part.slice(2)]));
}
