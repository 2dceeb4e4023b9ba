/**
 * A client for the HTTP questions of a running application: `import { MillraceClient } from
 * 'millrace/client'`. It needs only `fetch`, so it also runs in a browser. Questions about people
 * go by POST, so that no name is part of an address. While a task moves, a question is asked again
 * after the time that the server gives.
 */
import type { AsOf, ShownRow } from 'millrace/engine';
import type { ScoreChange, SegmentChange } from './event.ts';
import type { SubjectAnswer } from './subject/answer.ts';

export type { AsOf, ScoreChange, SegmentChange, ShownRow, SubjectAnswer };

export interface ClientOptions {
  /** For example http://127.0.0.1:8080. */
  readonly url: string;
  /** A token, or a write key, of an account with the role `read`. */
  readonly token?: string;
  /** How often a question is repeated that the server cannot answer now; default 2. */
  readonly retries?: number;
  readonly fetch?: typeof fetch;
}

export interface Table {
  readonly name: string;
  readonly kind: string;
  readonly keyFormat: string;
  readonly valueFormat: string;
}

export interface Rows<V = unknown> {
  readonly rows: readonly (ShownRow & { readonly value: V })[];
  /** Cursor of the next page; absent at the end. */
  readonly next?: string;
  readonly asOf: AsOf;
}

/** The state of the process that an answer from its log is from. */
export type AsOfProcess = Pick<AsOf, 'commit' | 'watermark'>;

export interface Segment {
  readonly id: string;
  readonly version: number;
  readonly size: number;
  readonly words: string;
  readonly definition: Readonly<Record<string, unknown>>;
}

export interface Subject extends SubjectAnswer {
  readonly id: string;
  readonly asOf: AsOf;
}

export interface RangeOptions {
  /** First key, inclusive; end, exclusive. */
  readonly from?: string;
  readonly to?: string;
  readonly prefix?: string;
  readonly limit?: number;
  readonly cursor?: string;
}

/** An event of a subscription. The server itself sends `open`, `gap`, `cut` and `again`. */
export interface Change<T = unknown> {
  readonly event: string;
  /** The place after this event: `lastId` of the next subscription. */
  readonly id: string | undefined;
  readonly data: T;
}

export interface SubscribeOptions {
  readonly lastId?: string;
  readonly signal?: AbortSignal;
}

/** The server refused a question or could not answer it. */
export class QuestionError extends Error {
  override readonly name = 'QuestionError';
  readonly status: number;
  /**
   * A code of the error catalogue, such as SUBJECT_UNKNOWN; undefined when the server named none.
   */
  readonly code: string | undefined;

  constructor(status: number, code: string | undefined, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

const second = 1_000;
const longestPauseMs = 10 * second;

export class MillraceClient {
  readonly #url: string;
  readonly #options: ClientOptions;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#url = options.url.replace(/\/+$/, '');
  }

  async stores(): Promise<readonly Table[]> {
    const { stores } = await this.#ask<{ stores: readonly Table[] }>('GET', '/v1/stores');
    return stores;
  }

  /**
   * Rows of one key: none, one, or one for each window. Other keys than texts are written as
   * `query` takes them.
   */
  rows<V = unknown>(store: string, key: string): Promise<Rows<V>> {
    return this.#ask('POST', `/v1/stores/${encodeURIComponent(store)}/rows`, { key });
  }

  /** One page of a range. */
  page<V = unknown>(store: string, range: RangeOptions = {}): Promise<Rows<V>> {
    return this.#ask('POST', `/v1/stores/${encodeURIComponent(store)}/rows`, range);
  }

  /** All rows of a range, page after page. */
  async *all<V = unknown>(
    store: string,
    range: RangeOptions = {},
  ): AsyncGenerator<ShownRow & { readonly value: V }> {
    for (let cursor = range.cursor; ; ) {
      const page = await this.page<V>(store, cursor === undefined ? range : { ...range, cursor });
      yield* page.rows;
      if (page.next === undefined) return;
      cursor = page.next;
    }
  }

  /** @param from @param to ms UTC or ISO 8601 */
  windows<V = unknown>(
    store: string,
    key: string,
    span: { readonly from?: number | string; readonly to?: number | string } = {},
  ): Promise<Rows<V>> {
    return this.#ask('POST', `/v1/stores/${encodeURIComponent(store)}/windows`, { key, ...span });
  }

  /** Undefined for an unknown subject. @param at ms UTC, ISO 8601, or 'now' */
  async subject(id: string, at?: number | string): Promise<Subject | undefined> {
    try {
      return await this.#ask('POST', '/v1/subjects', { id, ...(at === undefined ? {} : { at }) });
    } catch (error) {
      if (error instanceof QuestionError && error.code === 'SUBJECT_UNKNOWN') return undefined;
      throw error;
    }
  }

  segments(): Promise<{ readonly segments: readonly Segment[]; readonly asOf: AsOfProcess }> {
    return this.#ask('GET', '/v1/segments');
  }

  sizes(): Promise<{
    readonly sizes: Readonly<Record<string, number>>;
    readonly asOf: AsOfProcess;
  }> {
    return this.#ask('GET', '/v1/segments/sizes');
  }

  /** All members, page after page. */
  async *members(segment: string, limit?: number): AsyncGenerator<string> {
    const path = `/v1/segments/${encodeURIComponent(segment)}/members`;
    for (let cursor: string | undefined; ; ) {
      const page: { readonly members: readonly string[]; readonly next?: string } = await this.#ask(
        'POST',
        path,
        { limit: limit ?? null, cursor: cursor ?? null },
      );
      yield* page.members;
      if (page.next === undefined) return;
      cursor = page.next;
    }
  }

  /**
   * Rows of a store as they change, of one key or of all. It ends when the server or `signal` ends
   * it.
   */
  storeChanges<V = unknown>(
    store: string,
    { key, ...options }: SubscribeOptions & { readonly key?: string } = {},
  ): AsyncGenerator<Change<Rows<V> & { readonly key: unknown }>> {
    const path = `/v1/stores/${encodeURIComponent(store)}/changes`;
    return this.#subscribe('POST', path, key === undefined ? {} : { key }, options);
  }

  segmentChanges(
    segment: string,
    options: SubscribeOptions = {},
  ): AsyncGenerator<Change<SegmentChange>> {
    const path = `/v1/segments/${encodeURIComponent(segment)}/changes`;
    return this.#subscribe('GET', path, undefined, options);
  }

  /** `entered` and `exited` have a SegmentChange, `score` a ScoreChange. */
  subjectChanges(
    id: string,
    options: SubscribeOptions = {},
  ): AsyncGenerator<Change<SegmentChange | ScoreChange>> {
    return this.#subscribe('POST', '/v1/subjects/changes', { id }, options);
  }

  async #ask<T>(method: 'GET' | 'POST', path: string, body?: object): Promise<T> {
    const { retries = 2 } = this.#options;
    for (let attempt = 0; ; attempt++) {
      const answer = await this.#send(method, path, body);
      if (answer.ok) return (await answer.json()) as T;
      const isLater = answer.status === 429 || answer.status === 503;
      if (!isLater || attempt >= retries) throw await errorOf(answer);
      const pause = Number(answer.headers.get('retry-after') ?? 1) * second;
      await answer.body?.cancel();
      await paused(Math.min(Number.isFinite(pause) ? pause : second, longestPauseMs));
    }
  }

  async *#subscribe<T>(
    method: 'GET' | 'POST',
    path: string,
    body: object | undefined,
    { lastId, signal }: SubscribeOptions,
  ): AsyncGenerator<Change<T>> {
    const headers = lastId === undefined ? {} : { 'last-event-id': lastId };
    const answer = await this.#send(method, path, body, headers, signal);
    if (!answer.ok || answer.body === null) throw await errorOf(answer);
    const decoder = new TextDecoder();
    const reader = answer.body.getReader();
    let text = '';
    try {
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        text += decoder.decode(value, { stream: true });
        for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
          const change = changeOf<T>(text.slice(0, end));
          text = text.slice(end + 2);
          if (change !== undefined) yield change;
        }
      }
    } finally {
      await reader.cancel().catch(() => {});
    }
  }

  #send(
    method: 'GET' | 'POST',
    path: string,
    body: object | undefined,
    more: Readonly<Record<string, string>> = {},
    signal?: AbortSignal,
  ): Promise<Response> {
    const { token, fetch: send = fetch } = this.#options;
    return send(`${this.#url}${path}`, {
      method,
      headers: {
        ...more,
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal }),
    });
  }
}

async function errorOf(answer: Response): Promise<QuestionError> {
  const text = await answer.text().catch(() => '');
  try {
    const { code, problem } = JSON.parse(text) as { code?: string; problem?: string };
    return new QuestionError(answer.status, code, problem ?? text);
  } catch {
    return new QuestionError(answer.status, undefined, text || `answered ${answer.status}`);
  }
}

/** Undefined for a keep-alive line. */
function changeOf<T>(text: string): Change<T> | undefined {
  const fields = new Map<string, string>();
  for (const line of text.split('\n')) {
    const at = line.indexOf(': ');
    if (at > 0) fields.set(line.slice(0, at), line.slice(at + 2));
  }
  const data = fields.get('data');
  if (data === undefined) return undefined;
  return { event: fields.get('event') ?? 'message', id: fields.get('id'), data: JSON.parse(data) };
}

/** Resolves after `ms` milliseconds; works in a browser too. */
function paused(ms: number): Promise<void> {
  return new Promise((resolve) => {
    AbortSignal.timeout(Math.max(1, ms)).addEventListener('abort', () => resolve());
  });
}
