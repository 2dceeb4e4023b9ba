/**
 * One request for a page: paced, within limits, with new credentials if the old ones are refused.
 */
import type { Clock } from '../../../base/clock.ts';
import { isMillraceError } from '../../../base/errors.ts';
import type { Scheduler } from '../../../base/scheduler.ts';
import { retryAfterMs } from '../back-off.ts';
import { refused, unavailable } from '../puller.ts';
import { type Credentials, causeOf } from './credentials.ts';

export interface RequesterOptions {
  readonly source: string;
  readonly credentials: Credentials;
  readonly headers: () => Promise<Readonly<Record<string, string>>>;
  readonly requestsPerMinute?: number;
  readonly bodyBytes: number;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly bytes: number;
}

const redirectsMax = 5;
/** Characters of an answer in a message. */
const shownMax = 200;
/** Statuses after which the same request may succeed. */
const passing = [408, 425, 429];

/** The server reports that the request is invalid. */
export class WrongRequest extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export class Requester {
  readonly #options: RequesterOptions;
  #nextAt = Number.NEGATIVE_INFINITY;

  constructor(options: RequesterOptions) {
    this.#options = options;
  }

  /**
   * @throws SOURCE_UNAVAILABLE, SOURCE_REFUSED for missing credentials or rights, and WrongRequest
   * for other responses from 400 to 499
   */
  async get(url: URL, signal: AbortSignal): Promise<Answer> {
    const { credentials } = this.#options;
    const first = await this.#follow(url, signal);
    if (first.status !== 401 || !credentials.refused()) return this.#checked(first, url);
    return this.#checked(await this.#follow(url, signal), url);
  }

  async #follow(url: URL, signal: AbortSignal): Promise<Answer> {
    let at = url;
    for (let i = 0; i <= redirectsMax; i++) {
      const answer = await this.#once(at, signal);
      const to = answer.headers.get('location');
      if (answer.status < 300 || answer.status > 399 || to === null) return answer;
      at = sameOrigin(this.#options.source, to, at);
    }
    throw refused(this.#options.source, `${nameOf(url)} redirects more than ${redirectsMax} times`);
  }

  async #once(url: URL, signal: AbortSignal): Promise<Answer> {
    const { source, credentials, timeoutMs, bodyBytes } = this.#options;
    await this.#pace(signal);
    const own = await this.#options.headers();
    const allowed = await credentials.headers(signal);
    try {
      const answer = await fetch(url, {
        headers: { accept: 'application/json', 'user-agent': 'millrace', ...own, ...allowed },
        redirect: 'manual',
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      });
      const { text, bytes } = await bodyOf(answer, bodyBytes, source);
      return { status: answer.status, headers: answer.headers, text, bytes };
    } catch (error) {
      if (isMillraceError(error)) throw error;
      throw unavailable(source, `${nameOf(url)}: ${causeOf(error)}`);
    }
  }

  #checked(answer: Answer, url: URL): Answer {
    const { source, clock } = this.#options;
    const { status, headers, text } = answer;
    if (status >= 200 && status < 300) return answer;
    const start = text.slice(0, shownMax).replace(/\s+/g, ' ').trim();
    const problem = `${nameOf(url)} answers ${status}${start === '' ? '' : `: ${start}`}`;
    if (status >= 500 || passing.includes(status)) {
      throw unavailable(source, problem, retryAfterMs(headers.get('retry-after'), clock.now()));
    }
    if (status === 401 || status === 403 || status < 400) throw refused(source, problem);
    throw new WrongRequest(status, problem);
  }

  /** Requests are sent at equal intervals. */
  async #pace(signal: AbortSignal): Promise<void> {
    const { requestsPerMinute, clock, scheduler } = this.#options;
    if (requestsPerMinute === undefined) return;
    const wait = this.#nextAt - clock.monotonic();
    if (wait > 0) await scheduler.sleep(wait, signal);
    this.#nextAt = clock.monotonic() + 60_000 / requestsPerMinute;
  }
}

/** An address from an answer; credentials are sent only to the configured host. */
export function sameOrigin(source: string, to: string, from: URL): URL {
  const url = URL.canParse(to, from.href) ? new URL(to, from.href) : undefined;
  if (url?.origin === from.origin) return url;
  throw refused(source, `${nameOf(from)} leads to another host: ${to.slice(0, shownMax)}`);
}

/** Without parameters: they may be secrets. */
export function nameOf(url: URL): string {
  return `${url.origin}${url.pathname}`;
}

async function bodyOf(answer: Response, most: number, source: string) {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of answer.body ?? []) {
    bytes += part.byteLength;
    if (bytes > most) throw refused(source, `an answer is larger than limits.bodyBytes, ${most}`);
    parts.push(part);
  }
  return { text: Buffer.concat(parts).toString('utf8'), bytes };
}
