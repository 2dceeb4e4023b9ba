/** Server-sent events, written no faster than the reader accepts them. */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { isMillraceError, MillraceError, messageOf } from '../base/errors.ts';
import type { ServerEvent } from './routes.ts';

export interface StreamLimits {
  /** A reader that reads nothing for this time is disconnected, ms. */
  readonly stalledMs: number;
  /** A stream ends after this time, so that access is checked again, ms. */
  readonly mostMs: number;
  /** Streams at a time. */
  readonly most: number;
}

export const streamLimits: StreamLimits = { stalledMs: 30_000, mostMs: 3_600_000, most: 500 };

/** Counts the streams of a server. */
export class Streams {
  readonly #limits: StreamLimits;
  #open = 0;

  constructor(limits: StreamLimits = streamLimits) {
    this.#limits = limits;
  }

  /** @throws TOO_BUSY */
  check(): void {
    const { most } = this.#limits;
    if (this.#open < most) return;
    throw new MillraceError('TOO_BUSY', { waiting: this.#open, seconds: 5 });
  }

  /**
   * Sends events until the reader leaves, `events` ends, or a limit is reached. A last event has
   * the reason: `cut` (too slow), `again` (reconnect), `failed`.
   */
  async send(
    response: ServerResponse,
    events: AsyncIterable<ServerEvent>,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    const { mostMs } = this.#limits;
    this.#open++;
    response.writeHead(200, {
      ...headers,
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      // Otherwise nginx would buffer events.
      'x-accel-buffering': 'no',
    });
    response.flushHeaders();
    const end = AbortSignal.timeout(mostMs);
    try {
      for await (const event of events) {
        if (!isThere(response)) return;
        if (!response.write(textOf(event)) && !(await this.#drained(response))) {
          if (isThere(response)) last(response, 'cut', 'the events were not taken in time');
          return;
        }
        if (end.aborted) return last(response, 'again', 'come back with Last-Event-ID');
      }
      if (isThere(response)) response.end();
    } catch (error) {
      if (isThere(response)) last(response, 'failed', messageOf(error), codeOf(error));
    } finally {
      this.#open--;
    }
  }

  /** False if the reader has disconnected or accepts nothing. */
  async #drained(response: ServerResponse): Promise<boolean> {
    const done = new AbortController();
    const signal = AbortSignal.any([done.signal, AbortSignal.timeout(this.#limits.stalledMs)]);
    const either = ['drain', 'close'].map((name) => once(response, name, { signal }));
    for (const one of either) one.catch(() => {});
    try {
      await Promise.race(either);
      return isThere(response);
    } catch {
      return false;
    } finally {
      done.abort();
    }
  }
}

const lastMs = 5_000;

/** The last event, which a reader sees if it resumes reading soon. */
function last(response: ServerResponse, event: string, problem: string, code?: string): void {
  response.end(textOf({ event, data: { ...(code === undefined ? {} : { code }), problem } }));
  // A reader that accepts nothing would keep the connection open.
  response.socket?.setTimeout(lastMs, () => response.destroy());
}

function isThere(response: ServerResponse): boolean {
  return !response.destroyed && !response.writableEnded;
}

function codeOf(error: unknown): string | undefined {
  return isMillraceError(error) ? error.code : undefined;
}

/**
 * An event without data is not delivered: it keeps the connection open and moves the reader's
 * position.
 */
function textOf({ event, id, data }: ServerEvent): string {
  const place = id === undefined ? '' : `id: ${id}\n`;
  if (data === undefined) return `: ${event}\n${place}\n`;
  return `event: ${event}\n${place}data: ${JSON.stringify(data)}\n\n`;
}
