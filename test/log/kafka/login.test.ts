/** SASL as brokers speak it: whoever does not know the password, on either side, is refused. */
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { Secret } from '../../../engine/base/secret.ts';
import { logIn, RefusedError } from '../../../engine/log/kafka/wire/sasl-login.ts';
import { WireReader, WireWriter } from '../../../engine/log/kafka/wire/wire-format.ts';
import type { Request } from '../../../engine/log/kafka/wire/wire-request.ts';

const credentials = {
  mechanism: 'SCRAM-SHA-256',
  username: 'us=er,1',
  password: new Secret('pencil'),
} as const;

interface Server {
  readonly knows: string;
  readonly mechanisms?: readonly string[];
  readonly nonce?: (client: string) => string;
  readonly iterations?: number;
  /** What the server believes the password is when it proves that it knows it. */
  readonly proves?: string;
}

/** The server's side of RFC 5802, and of the plain one. */
function server({
  knows,
  mechanisms = ['PLAIN', 'SCRAM-SHA-256'],
  nonce,
  iterations = 4_096,
  proves = knows,
}: Server) {
  const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64');
  const keyed = (key: Uint8Array, text: string) => createHmac('sha256', key).update(text).digest();
  const salted = (password: string) => pbkdf2Sync(password, salt, iterations, 32, 'sha256');
  const names: string[] = [];
  let exchanged = '';
  const authenticate = (message: string): { error: number; message: string } => {
    if (message.startsWith('\0')) {
      return { error: message === `\0${credentials.username}\0${knows}` ? 0 : 58, message: '' };
    }
    if (message.startsWith('n,,')) {
      const [, name = '', client = ''] = /^n,,n=(.*),r=(.*)$/.exec(message) ?? [];
      names.push(name);
      const both = nonce?.(client) ?? `${client}server`;
      const first = `r=${both},s=${salt.toString('base64')},i=${iterations}`;
      exchanged = `${message.slice(3)},${first}`;
      return { error: 0, message: first };
    }
    const [, withoutProof = '', proof = ''] = /^(.*),p=(.*)$/.exec(message) ?? [];
    const all = `${exchanged},${withoutProof}`;
    const clientKey = keyed(salted(knows), 'Client Key');
    const signature = keyed(createHash('sha256').update(clientKey).digest(), all);
    const expected = clientKey.map((byte, i) => byte ^ (signature[i] as number));
    if (!Buffer.from(proof, 'base64').equals(Buffer.from(expected)))
      return { error: 58, message: '' };
    const verifier = keyed(keyed(salted(proves), 'Server Key'), all);
    return { error: 0, message: `v=${verifier.toString('base64')}` };
  };
  const ask = async <Answer>(request: Request<Answer>): Promise<Answer> => {
    const written = new WireWriter();
    request.write(written);
    const asked = new WireReader(written.written);
    const told = new WireWriter();
    if (request.api === 17) {
      told.int16(mechanisms.includes(asked.string() ?? '') ? 0 : 33);
      told.array(mechanisms, (mechanism) => told.string(mechanism));
    } else {
      const { error, message } = authenticate(asked.bytes().toString());
      told.int16(error);
      if (error === 0) told.int16(-1);
      else told.string('Authentication failed');
      told.bytes(Buffer.from(message)).int64(0);
    }
    return request.read(new WireReader(told.written));
  };
  return { ask, names };
}

describe('logging in', () => {
  it('by SCRAM, with a name that has the letters SCRAM itself uses', async () => {
    const { ask, names } = server({ knows: 'pencil' });
    await logIn(ask, credentials);
    expect(names).toEqual(['us=3Der=2C1']);
  });

  it('by PLAIN', async () => {
    await logIn(server({ knows: 'pencil' }).ask, { ...credentials, mechanism: 'PLAIN' });
  });

  it.each<[string, Server, RegExp]>([
    ['a wrong password', { knows: 'pen' }, /Authentication failed/],
    ['a server that does not know it', { knows: 'pencil', proves: 'pen' }, /does not know/],
    ['a nonce that is not ours', { knows: 'pencil', nonce: () => 'replayed' }, /nonce/],
    ['too few iterations', { knows: 'pencil', iterations: 1 }, /iteration/],
    [
      'a mechanism that is not offered',
      { knows: 'pencil', mechanisms: ['PLAIN'] },
      /offers PLAIN, not SCRAM/,
    ],
  ])('refuses %s', async (_, options, reason) => {
    const failure = await logIn(server(options).ask, credentials).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(RefusedError);
    expect(String(failure)).toMatch(reason);
    expect(String(failure)).not.toContain('pencil');
  });

  it('refuses a wrong password by PLAIN', async () => {
    const plain = { ...credentials, mechanism: 'PLAIN' as const };
    await expect(logIn(server({ knows: 'pen' }).ask, plain)).rejects.toBeInstanceOf(RefusedError);
  });
});
