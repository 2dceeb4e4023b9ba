/** A connection to one broker: requests and their responses, in order, each with a deadline. */
import { readFileSync } from 'node:fs';
import { connect as connectPlain, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Scheduler } from '../../../base/scheduler.ts';
import type { Secret } from '../../../base/secret.ts';
import { after } from '../../../base/timing.ts';
import { type ApiRange, apiVersions } from './cluster-requests.ts';
import { type Credentials, logIn, RefusedError } from './sasl-login.ts';
import { WireReader, WireWriter } from './wire-format.ts';
import type { Request } from './wire-request.ts';

export interface BrokerAddress {
  readonly host: string;
  readonly port: number;
}

export interface BrokerAccess {
  readonly clientId: string;
  /** Deadline of connecting and logging in, and of one request, ms. */
  readonly timeoutMs: number;
  /** Undefined: without encryption. */
  readonly tls: TlsFiles | undefined;
  readonly credentials: Credentials | undefined;
}

/** PEM files. */
export interface TlsFiles {
  /** Undefined: Node's own authorities. */
  readonly authority: string | undefined;
  readonly certificate: string | undefined;
  readonly key: string | undefined;
  readonly keyPassword: Secret | undefined;
}

/** Connection lost or refused: in-flight requests may or may not have been applied. */
export class LostError extends Error {}

/** Limit of a response, bytes: a longer one is not from a broker. */
const responseBytesMax = 256 * 1024 * 1024;
/** Size of a socket read; the memory of a response is a multiple of it, bytes. */
const pieceBytes = 256 * 1024;
/** Buffers of longer responses are reused, bytes. */
const smallBytes = 16 * 1024;
/** Spare buffers: one response is read while another arrives. */
const sparesMax = 2;

/** Certificate errors of Node's TLS, in addition to those with a known prefix. */
const untrusted =
  /^(ERR_TLS|ERR_SSL|CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|INVALID_(CA|PURPOSE)|HOSTNAME_)/;

interface Pending {
  readonly correlation: number;
  readonly read: (body: WireReader) => void;
  readonly fail: (error: Error) => void;
}

export class BrokerConnection {
  readonly #access: BrokerAccess;
  readonly #socket: Socket;
  readonly #scheduler: Scheduler;
  readonly #pending: Pending[] = [];
  #correlation = 0;
  /** Which versions of requests the broker speaks. */
  #ranges: readonly ApiRange[] = [];
  #failure: Error | undefined;
  /**
   * The incoming response: the bytes of its length, then its body; `#filled` bytes have arrived.
   */
  readonly #lengthBytes = Buffer.alloc(4);
  #body: Buffer | undefined;
  #filled = 0;
  /**
   * Buffers of finished responses, for reuse: megabytes of garbage per response would make V8
   * collect many times a second.
   */
  readonly #spares: Buffer[] = [];

  private constructor(access: BrokerAccess, socket: Socket, scheduler: Scheduler) {
    this.#access = access;
    this.#scheduler = scheduler;
    this.#socket = socket;
    socket.setNoDelay(true).setKeepAlive(true);
    socket.on('error', (error) => this.#fail(lost(error)));
    socket.on('close', () => this.#fail(new LostError('the broker closed the connection')));
  }

  /**
   * Connects, logs in, and checks that the broker supports our versions of `needed`. Rejects with
   * RefusedError for a permanent failure, with another error for one that may be transient.
   */
  static async open(
    address: BrokerAddress,
    access: BrokerAccess,
    needed: readonly Request<unknown>[],
    scheduler: Scheduler,
  ): Promise<BrokerConnection> {
    let take: (piece: Buffer) => void = () => {};
    const socket = await socketTo(address, access, scheduler, (piece) => take(piece));
    const connection = new BrokerConnection(access, socket, scheduler);
    take = (piece) => connection.#take(piece);
    try {
      connection.#ranges = (await connection.ask(apiVersions)).ranges;
      for (const request of needed) {
        if (connection.speaks(request)) continue;
        const { api, version } = request;
        throw new RefusedError(`the broker does not speak version ${version} of request ${api}`);
      }
      const { credentials } = access;
      if (credentials !== undefined) {
        await logIn((request) => connection.ask(request), credentials);
      }
      return connection;
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  /** False after a failure; then no more requests are possible. */
  get isOpen(): boolean {
    return this.#failure === undefined;
  }

  /** Whether the broker knows the request in this version. */
  speaks({ api, version }: Request<unknown>): boolean {
    const range = this.#ranges.find((one) => one.api === api);
    return range !== undefined && range.min <= version && version <= range.max;
  }

  /** @param waitMs how long the broker may wait on purpose, in addition to the deadline */
  ask<Answer>(request: Request<Answer>, waitMs = 0): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) {
        reject(this.#failure);
        return;
      }
      const correlation = this.#correlation++;
      const { timeoutMs, clientId } = this.#access;
      const inTime = after(this.#scheduler, timeoutMs + waitMs, () =>
        this.#fail(new LostError(`no answer within ${timeoutMs + waitMs} ms`)),
      );
      this.#pending.push({
        correlation,
        read: (body) => {
          inTime();
          if (request.isFlexible) body.tags();
          resolve(request.read(body));
        },
        fail: (error) => {
          inTime();
          reject(error);
        },
      });
      const message = new WireWriter().int32(0);
      message.int16(request.api).int16(request.version).int32(correlation).string(clientId);
      if (request.isFlexible) message.tags();
      request.write(message);
      const { written } = message;
      written.writeInt32BE(written.length - 4, 0);
      this.#socket.write(written);
    });
  }

  /** Returns a response's buffer for reuse. */
  reuse(response: Buffer): void {
    if (this.#spares.length < sparesMax && response.length > smallBytes) {
      this.#spares.push(response);
    }
  }

  close(): void {
    this.#fail(new LostError('the connection was closed'));
  }

  #take(bytes: Buffer): void {
    try {
      for (let at = 0; at < bytes.length; ) at += this.#takePart(bytes, at);
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  /** Consumes the bytes that belong to the current length or body; returns their number. */
  #takePart(bytes: Buffer, at: number): number {
    const target = this.#body ?? this.#lengthBytes;
    const taken = bytes.copy(target, this.#filled, at);
    this.#filled += taken;
    if (this.#filled < target.length) return taken;
    this.#filled = 0;
    if (this.#body === undefined) {
      const length = this.#lengthBytes.readInt32BE();
      if (length < 4 || length > responseBytesMax) throw new Error(`a response of ${length} bytes`);
      this.#body = this.#memory(length);
      return taken;
    }
    const response = new WireReader(this.#body);
    this.#body = undefined;
    const pending = this.#pending.shift();
    const correlation = response.int32();
    if (pending?.correlation !== correlation) throw new Error('a response that nobody waits for');
    try {
      pending.read(response);
    } catch (error) {
      pending.fail(error as Error);
      throw error;
    }
    return taken;
  }

  #memory(length: number): Buffer {
    if (length <= smallBytes) return Buffer.allocUnsafeSlow(length);
    const spare = this.#spares.shift();
    if (spare !== undefined && spare.buffer.byteLength >= length) {
      return Buffer.from(spare.buffer, 0, length);
    }
    const pieces = Math.ceil(length / pieceBytes);
    return Buffer.allocUnsafeSlow(pieces * pieceBytes).subarray(0, length);
  }

  /** Fails the connection: the order of responses, or the socket, is lost. */
  #fail(error: Error): void {
    this.#failure ??= error;
    this.#socket.destroy();
    for (const { fail } of this.#pending.splice(0)) fail(this.#failure);
  }
}

/** @param take called with each piece, which is overwritten by the next */
function socketTo(
  { host, port }: BrokerAddress,
  { tls, timeoutMs }: BrokerAccess,
  scheduler: Scheduler,
  take: (piece: Buffer) => void,
): Promise<Socket> {
  const buffer = Buffer.allocUnsafeSlow(pieceBytes);
  const callback = (bytes: number) => {
    take(buffer.subarray(0, bytes));
    return true;
  };
  const to = { host, port, onread: { buffer, callback } };
  return new Promise((resolve, reject) => {
    const name = isIP(host) === 0 ? { servername: host } : {};
    const socket =
      tls === undefined ? connectPlain(to) : connectTls({ ...to, ...name, ...read(tls) });
    const inTime = after(scheduler, timeoutMs, () =>
      socket.destroy(new Error(`no connection to ${host}:${port} within ${timeoutMs} ms`)),
    );
    const failed = (error: NodeJS.ErrnoException) => {
      inTime();
      reject(untrusted.test(error.code ?? '') ? new RefusedError(error.message) : lost(error));
    };
    socket.once('error', failed);
    socket.once(tls === undefined ? 'connect' : 'secureConnect', () => {
      inTime();
      socket.off('error', failed);
      resolve(socket);
    });
  });
}

function lost(error: Error): LostError {
  return new LostError(error.message, { cause: error });
}

function read({ authority, certificate, key, keyPassword }: TlsFiles) {
  return {
    ...(authority === undefined ? {} : { ca: readFileSync(authority) }),
    ...(certificate === undefined ? {} : { cert: readFileSync(certificate) }),
    ...(key === undefined ? {} : { key: readFileSync(key) }),
    ...(keyPassword === undefined ? {} : { passphrase: keyPassword.reveal() }),
  };
}
