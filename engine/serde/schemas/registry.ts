/**
 * A client of a schema registry with Confluent's HTTP API (Confluent, Apicurio, Karapace,
 * Redpanda). Serdes are synchronous, so the few requests, one per schema, block the calling thread;
 * a separate thread sends them.
 *
 * Schemas come only from this registry, never from a message, which contains only an id.
 */
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { fatalError } from '../../base/assert.ts';
import { MillraceError } from '../../base/errors.ts';
import { checkSetting, text } from '../../base/settings.ts';

export type SchemaType = 'AVRO' | 'JSON' | 'PROTOBUF';

export interface RegistrySettings {
  /** Base address of the API, e.g. https://registry.example or .../apis/ccompat/v7. */
  readonly url: string;
  /** HTTP Basic authentication. */
  readonly username?: string;
  readonly password?: string;
  /** A bearer token, instead of basic authentication. */
  readonly token?: string;
  /** Timeout of a request, ms; default 10 000. */
  readonly timeoutMs?: number;
}

export interface RegisteredSchema {
  readonly id: number;
  readonly type: SchemaType;
  readonly schema: string;
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

const defaultTimeoutMs = 10_000;
const answerBytesMax = 4 * 1024 * 1024;
/** Extra wait beyond the timeout of the request, ms. */
const threadMs = 5_000;
const mediaType = 'application/vnd.schemaregistry.v1+json';

/** Runs in the requesting thread, without redirects and with a size limit. */
const threadCode = `
const { parentPort } = require('node:worker_threads');
parentPort.on('message', async ({ url, options, timeoutMs, bytesMax, port, flag }) => {
  let answer;
  try {
    const response = await fetch(url, {
      ...options, redirect: 'error', signal: AbortSignal.timeout(timeoutMs),
    });
    const bytes = Buffer.from(await response.arrayBuffer());
    if (bytes.byteLength > bytesMax) throw new Error('the answer is too large');
    answer = { status: response.status, body: bytes.toString('utf8') };
  } catch (error) {
    answer = { problem: error.cause?.code ?? error.message };
  }
  port.postMessage(answer);
  Atomics.store(flag, 0, 1);
  Atomics.notify(flag, 0);
  port.close();
});
`;

let thread: Worker | undefined;

/** Sends a request and blocks until its answer arrives. */
function ask(
  url: string,
  options: object,
  timeoutMs: number,
): Answer | { readonly problem: string } {
  thread ??= startThread();
  const flag = new Int32Array(new SharedArrayBuffer(4));
  const { port1, port2 } = new MessageChannel();
  const message = { url, options, timeoutMs, bytesMax: answerBytesMax, port: port2, flag };
  thread.postMessage(message, [port2]);
  Atomics.wait(flag, 0, 0, timeoutMs + threadMs);
  const received = receiveMessageOnPort(port1) as { message: Answer } | undefined;
  port1.close();
  return received?.message ?? { problem: `no answer within ${timeoutMs} ms` };
}

function startThread(): Worker {
  const worker = new Worker(threadCode, { eval: true, stdout: false, stderr: false });
  worker.unref();
  worker.on('exit', () => {
    thread = undefined;
  });
  return worker;
}

export class SchemaRegistry {
  readonly url: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #timeoutMs: number;
  readonly #byId = new Map<number, RegisteredSchema>();
  readonly #ids = new Map<string, number>();

  /** @throws CONFIG_INVALID for an invalid address */
  constructor({ url, username, password = '', token, timeoutMs }: RegistrySettings) {
    checkSetting('schemaRegistry.url', url, text);
    if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
      const problem = `must be an address that begins with http: or https:, is ${url}`;
      throw new MillraceError('CONFIG_INVALID', { field: 'schemaRegistry.url', problem });
    }
    this.url = url.replace(/\/+$/, '');
    this.#timeoutMs = timeoutMs ?? defaultTimeoutMs;
    const basic = Buffer.from(`${username}:${password}`).toString('base64');
    const authorization =
      token !== undefined ? `Bearer ${token}` : username !== undefined ? `Basic ${basic}` : '';
    this.#headers = {
      accept: mediaType,
      'content-type': mediaType,
      ...(authorization === '' ? {} : { authorization }),
    };
  }

  /**
   * The schema with the id in a message.
   * @throws TypeError for an unregistered id
   */
  schema(id: number): RegisteredSchema {
    const known = this.#byId.get(id);
    if (known !== undefined) return known;
    const answer = this.#ask('GET', `/schemas/ids/${id}`);
    if (answer === undefined) throw new TypeError(`the registry knows no schema ${id}`);
    const { schema, schemaType = 'AVRO' } = answer as { schema: string; schemaType?: SchemaType };
    const found = { id, type: schemaType, schema };
    this.#byId.set(id, found);
    return found;
  }

  /**
   * Registers a schema under a subject, or finds the existing one.
   * @throws SCHEMA_REFUSED when it breaks readers
   */
  register(subject: string, type: SchemaType, schema: string): number {
    return this.#idOf(subject, type, schema, '/versions');
  }

  /** The id of a registered schema. @throws SCHEMA_REFUSED if it is not registered */
  lookup(subject: string, type: SchemaType, schema: string): number {
    return this.#idOf(subject, type, schema, '');
  }

  /** The newest schema of a subject; undefined if there is none. */
  latest(subject: string): RegisteredSchema | undefined {
    return this.#version(subject, 'latest');
  }

  /** All existing schemas of a subject, oldest first. */
  versions(subject: string): readonly (RegisteredSchema & { readonly version: number })[] {
    const answer = this.#ask('GET', `/subjects/${encodeURIComponent(subject)}/versions`);
    const numbers = [...((answer ?? []) as readonly number[])].sort((a, b) => a - b);
    return numbers.flatMap((version) => {
      const found = this.#version(subject, version);
      // Deleted after the list was read.
      return found === undefined ? [] : [{ ...found, version }];
    });
  }

  #version(subject: string, version: number | 'latest'): RegisteredSchema | undefined {
    const answer = this.#ask('GET', `/subjects/${encodeURIComponent(subject)}/versions/${version}`);
    if (answer === undefined) return undefined;
    const {
      id,
      schema,
      schemaType = 'AVRO',
    } = answer as RegisteredSchema & {
      schemaType?: SchemaType;
    };
    return { id, type: schemaType, schema };
  }

  #idOf(subject: string, type: SchemaType, schema: string, path: string): number {
    const key = `${subject}\n${type}\n${schema}`;
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    const body = { schema, ...(type === 'AVRO' ? {} : { schemaType: type }) };
    const answer = this.#ask('POST', `/subjects/${encodeURIComponent(subject)}${path}`, body);
    if (answer === undefined) {
      const problem = `it is not registered; register it, or let this application: register: true`;
      throw fatalError(new MillraceError('SCHEMA_REFUSED', { subject, problem }));
    }
    const { id } = answer as { id: number };
    this.#ids.set(key, id);
    this.#byId.set(id, { id, type, schema });
    return id;
  }

  /** The answer as JSON; undefined if the resource does not exist. */
  #ask(method: 'GET' | 'POST', path: string, body?: object): object | undefined {
    const options = { method, headers: this.#headers, body: body && JSON.stringify(body) };
    const answer = ask(this.url + path, options, this.#timeoutMs);
    if ('problem' in answer) throw this.#away(answer.problem);
    if (answer.status === 404) return undefined;
    if (answer.status === 409 || answer.status === 422) {
      const subject = decodeURIComponent(path.split('/')[2] ?? '');
      const problem = messageIn(answer.body);
      throw fatalError(new MillraceError('SCHEMA_REFUSED', { subject, problem }));
    }
    if (answer.status !== 200) throw this.#away(`it answers ${answer.status}`);
    try {
      return JSON.parse(answer.body) as object;
    } catch {
      throw this.#away('its answer is not JSON');
    }
  }

  /** Ends the run: the record is valid, and is read again when the registry is available. */
  #away(problem: string): MillraceError {
    return fatalError(new MillraceError('SCHEMA_REGISTRY', { url: this.url, problem }));
  }
}

function messageIn(body: string): string {
  try {
    return String((JSON.parse(body) as { message?: unknown }).message ?? 'it is refused');
  } catch {
    return 'it is refused';
  }
}

export function schemaRegistry(settings: RegistrySettings): SchemaRegistry {
  return new SchemaRegistry(settings);
}
