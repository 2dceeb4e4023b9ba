/**
 * Rows of an HTTP interface, page by page and run by run. A run requests all rows from the newest
 * row of earlier runs on, minus the overlap; known rows are skipped. The newest row counts only
 * after its run is complete, because the pages of a run need not be in order.
 */
import type { Clock } from '../../../base/clock.ts';
import type { Scheduler } from '../../../base/scheduler.ts';
import { membersOf, parseJson } from '../../../serde/faithful-json.ts';
import type { ValueSpec } from '../common-spec.ts';
import { readInstant, writeInstant } from '../instants.ts';
import { valueAt } from '../paths.ts';
import { type Page, type PulledRow, type Puller, refused, rowOf, unavailable } from '../puller.ts';
import { readSecret, type Secrets } from '../secrets.ts';
import { hashOf, Seen, type SeenImage } from '../seen.ts';
import { credentials } from './credentials.ts';
import { nextPage, type PageMark, pageUrl, resumedAt } from './paging.ts';
import { type Answer, nameOf, Requester, WrongRequest } from './rest-request.ts';
import type { RestSpec } from './rest-spec.ts';

export interface RestOptions {
  readonly name: string;
  readonly spec: RestSpec;
  readonly secrets: Secrets;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  warn(text: string): void;
  /** The rows of a value; without it, an object is a row. */
  unpack?(value: unknown): readonly unknown[];
}

interface RestPosition {
  /** Time of the newest row in complete runs, ms UTC. */
  readonly newest?: number;
  /** An incomplete run: its start instant, its next page, the newest row so far. */
  readonly run?: {
    readonly since?: number;
    readonly mark?: PageMark;
    readonly newest?: number;
    /** The previous page was read again; nothing else is needed to continue. */
    readonly again?: boolean;
  };
  readonly seen?: SeenImage;
}

/** Number of rows remembered because a page may be repeated. */
const recentRows = 20_000;
const bodyBytesMax = 64 * 2 ** 20;
/** Number of equal consecutive pages after which the server is taken to ignore the page number. */
const alikeMax = 3;
/** Status codes for an expired page mark. */
const forgotten = [400, 404, 410, 422];

export class RestPuller implements Puller {
  readonly #options: RestOptions;
  readonly #requester: Requester;

  constructor(options: RestOptions) {
    this.#options = options;
    const { name: source, spec, clock, scheduler, secrets, warn } = options;
    const { requestsPerMinute, bodyBytes = bodyBytesMax } = spec.limits ?? {};
    this.#requester = new Requester({
      source,
      credentials: credentials({ source, auth: spec.auth, secrets, clock, warn }),
      headers: () => this.#values('headers', spec.headers),
      ...(requestsPerMinute === undefined ? {} : { requestsPerMinute }),
      bodyBytes,
      timeoutMs: (spec.timeoutSeconds ?? 60) * 1_000,
      clock,
      scheduler,
    });
  }

  async *run(given: unknown, signal: AbortSignal): AsyncGenerator<Page> {
    const { spec, name, clock } = this.#options;
    const { newest: before, run, seen: image } = (given ?? {}) as RestPosition;
    const seen = new Seen(image);
    const since = run === undefined ? this.#since(before) : run.since;
    // A row from the future would hide all later ones.
    const now = clock.now();
    let newest = run?.newest;
    let mark = run?.again === true ? run.mark : resumedAt(spec.paging, run?.mark);
    let again = mark !== run?.mark;
    let isResumed = mark !== undefined;
    let [last, alike] = ['', 0];
    for (;;) {
      const url = pageUrl(spec.paging, await this.#firstUrl(since), mark);
      let answer: Answer;
      try {
        answer = await this.#requester.get(url, signal);
      } catch (error) {
        if (!(error instanceof WrongRequest)) throw error;
        if (isResumed && forgotten.includes(error.status)) {
          // The mark has expired: the run starts over, and its earlier rows are known.
          [mark, isResumed] = [undefined, false];
          continue;
        }
        if (spec.paging?.type !== 'page' || error.status !== 404 || mark === undefined) {
          throw refused(name, error.message);
        }
        // Some servers answer like this after the last page.
        yield { rows: [], bytes: 0, position: this.#whole(before, newest, seen) };
        return;
      }
      isResumed = false;
      const value = this.#valueOf(answer, url);
      const found = value === undefined ? [] : this.#rowsOf(value, url);
      const read = { source: name, url, mark, answer, value, rows: found.length };
      alike = answer.text === last ? alike + 1 : 1;
      last = answer.text;
      const isStuck = typeof mark === 'number' && alike >= alikeMax;
      const next = isStuck ? undefined : nextPage(spec.paging, read);
      const rows = found.map((row, i) => this.#pulled(row, i, url, seen));
      for (const { at } of rows) {
        if (at > 0 && (newest === undefined || at > newest)) newest = Math.min(at, now);
      }
      const { bytes } = answer;
      if (next === undefined) {
        yield { rows, bytes, position: this.#whole(before, newest, seen) };
        return;
      }
      seen.forget(this.#keptFrom(before, newest), recentRows);
      const told = { since, mark: next, newest, again };
      again = false;
      yield {
        rows,
        bytes,
        position: {
          ...(before === undefined ? {} : { newest: before }),
          run: told,
          seen: seen.image(),
        },
      };
      mark = next;
    }
  }

  async close(): Promise<void> {}

  #since(newest: number | undefined): number | undefined {
    const { incremental } = this.#options.spec;
    if (incremental === undefined) return undefined;
    const { start, overlapSeconds = 300 } = incremental;
    if (newest !== undefined) return newest - overlapSeconds * 1_000;
    return start === undefined ? undefined : Date.parse(start);
  }

  /** Rows from this time on may be repeated. Without an instant, all may. */
  #keptFrom(before: number | undefined, newest: number | undefined): number {
    const { incremental } = this.#options.spec;
    if (incremental === undefined) return Number.NEGATIVE_INFINITY;
    const reached = Math.max(
      before ?? Number.NEGATIVE_INFINITY,
      newest ?? Number.NEGATIVE_INFINITY,
    );
    return reached - (incremental.overlapSeconds ?? 300) * 1_000;
  }

  #whole(before: number | undefined, newest: number | undefined, seen: Seen): RestPosition {
    const reached = before === undefined ? newest : Math.max(before, newest ?? before);
    seen.forget(this.#keptFrom(before, newest), recentRows);
    const image = seen.image();
    return { ...(reached === undefined ? {} : { newest: reached }), seen: image };
  }

  #pulled(value: unknown, i: number, url: URL, seen: Seen): PulledRow & { readonly at: number } {
    const { spec, name } = this.#options;
    const raw = JSON.stringify(value) ?? '';
    const { incremental, id } = spec;
    const ids = id === undefined ? undefined : [id].flat().map((path) => valueAt(value, path));
    const time = incremental === undefined ? undefined : valueAt(value, incremental.field);
    // A row without an id is identified by its whole content.
    const isKnown = ids?.every((one) => one !== undefined && one !== null) === true;
    const identity = isKnown ? JSON.stringify([ids, time]) : raw;
    const at =
      incremental === undefined ? 0 : (readInstant(incremental.format ?? 'iso', time) ?? 0);
    const isNew = seen.add(identity, at);
    return {
      ...rowOf(value),
      ...(isNew ? {} : { skip: 'seen before' }),
      raw,
      id: `${name}:${hashOf(identity)}`,
      from: nameOf(url),
      offset: String(i),
      at,
    };
  }

  async #firstUrl(since: number | undefined): Promise<URL> {
    const { url: address, query, incremental } = this.#options.spec;
    const url = new URL(address);
    for (const [name, value] of Object.entries(await this.#values('query', query))) {
      url.searchParams.set(name, value);
    }
    if (incremental !== undefined && since !== undefined) {
      const { parameter, format = 'iso' } = incremental;
      url.searchParams.set(parameter, writeInstant(format, since));
    }
    return url;
  }

  async #values(
    field: string,
    given: Readonly<Record<string, ValueSpec>> = {},
  ): Promise<Record<string, string>> {
    const { name, secrets } = this.#options;
    const values: Record<string, string> = {};
    for (const [key, value] of Object.entries(given)) {
      const at = `sources.${name}.${field}.${key}`;
      values[key] =
        typeof value === 'object' ? (await readSecret(value, at, secrets)).reveal() : String(value);
    }
    return values;
  }

  /** Undefined where there is no body. */
  #valueOf({ status, text }: Answer, url: URL): unknown {
    const { name } = this.#options;
    if (status === 204 || status === 205 || text.trim() === '') return undefined;
    const parsed = parseJson(text);
    if ('value' in parsed) return parsed.value;
    const problem = `the answer of ${nameOf(url)} ${parsed.problem}`;
    if (parsed.problem.startsWith('is not JSON')) throw unavailable(name, problem);
    // A list with a refused member: the other members are accepted.
    const members = this.#options.spec.rows === undefined ? membersOf(text) : undefined;
    if (members === undefined) throw refused(name, problem);
    return members.map((raw) => {
      const member = parseJson(raw);
      return 'value' in member ? member.value : raw;
    });
  }

  #rowsOf(value: unknown, url: URL): unknown[] {
    const { spec, name, unpack } = this.#options;
    const found = spec.rows === undefined ? value : valueAt(value, spec.rows);
    if (typeof found !== 'object' || found === null) {
      const where = spec.rows ?? 'its top';
      throw refused(name, `the answer of ${nameOf(url)} has no list of rows at ${where}`);
    }
    const members = Array.isArray(found) ? found : [found];
    return unpack === undefined ? members : members.flatMap((member) => [...unpack(member)]);
  }
}
