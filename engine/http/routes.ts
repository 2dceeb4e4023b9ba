/**
 * HTTP routes of an application, declared once for every server.
 */
import { MillraceError } from '../base/errors.ts';
import { instantIn } from '../base/instant-text.ts';

/** Documentation of a parameter. */
export interface Parameter {
  readonly description: string;
  readonly type?: 'string' | 'integer' | 'number' | 'boolean' | 'object';
  /** Path parameters are always required. */
  readonly required?: boolean;
  readonly example?: string | number;
}

/** Documentation of a route. */
export interface RouteText {
  readonly summary: string;
  /** Parameters by name, including those in the path. */
  readonly parameters?: Readonly<Record<string, Parameter>>;
  /** JSON schema of a successful answer. */
  readonly answer?: object;
}

/** An HTTP route of an application. */
export interface Route {
  /** 'POST' has a body of JSON. */
  readonly method: 'GET' | 'POST';
  /** ':name' is a path parameter; its value is added to the query's values. */
  readonly path: string;
  /**
   * For a GET: the path of the same question by POST, with its values in a JSON body, so that no
   * identifier of a person is in an address. Default: the same path; null: none.
   */
  readonly byPost?: string | null;
  readonly about?: RouteText;
  /**
   * Role that may use the route, with accounts; default 'read'. Without accounts, it is only served
   * to this machine.
   */
  readonly role?: 'operate';
  /** Other processes of the application call it; it authenticates them itself. */
  readonly isInternal?: true;
  /**
   * Returns the JSON response. A MillraceError is an error of the client: 400, or the status of
   * `statusOf`.
   * @param signal aborts when the client no longer waits
   */
  answer(
    query: URLSearchParams,
    body: unknown,
    signal: AbortSignal,
    authorization?: string,
  ): Promise<object>;
}

/** One event of a stream. */
export interface ServerEvent {
  readonly event: string;
  /** Position for a client that reconnects, sent as Last-Event-ID. */
  readonly id?: string;
  /** Absent: a heartbeat, which only moves the reader's position. */
  readonly data?: object;
}

/** A subscription: server-sent events until the client disconnects or `events` ends. */
export interface StreamRoute extends Pick<Route, 'path' | 'byPost' | 'about'> {
  readonly method: 'GET';
  readonly answer?: undefined;
  /**
   * Returns before the first event, so that an invalid request gets its status.
   * @param lastId id of the last event that the client received
   */
  subscribe(
    query: URLSearchParams,
    lastId: string | undefined,
    signal: AbortSignal,
  ): Promise<AsyncIterable<ServerEvent>>;
}

export type AnyRoute = Route | StreamRoute;

export function isStream(route: AnyRoute): route is StreamRoute {
  return route.answer === undefined;
}

/** Where a subscriber continues: from the header, or, if a client cannot set it, from the query. */
export function lastEventId(
  header: string | readonly string[] | undefined,
  query: URLSearchParams,
): string | undefined {
  const text = typeof header === 'string' ? header : query.get('lastEventId');
  return text === null || text === '' ? undefined : text;
}

/** A route of a server: one method at one path. */
export interface Served {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly route: AnyRoute;
  /** The values are in the body. */
  readonly byBody: boolean;
}

/** All routes, including the POST forms. */
export function servedRoutes(routes: readonly AnyRoute[]): Served[] {
  return routes.flatMap((route): Served[] => {
    const own = { method: route.method, path: route.path, route, byBody: false };
    if (route.method === 'POST' || route.byPost === null) return [own];
    return [own, { method: 'POST', path: route.byPost ?? route.path, route, byBody: true }];
  });
}

/** The decoded parameters of a path, by name; undefined for another path. */
export function valuesInPath(
  pattern: string,
  path: string,
): ReadonlyMap<string, string> | undefined {
  const [wanted, given] = [pattern.split('/'), path.split('/')];
  if (wanted.length !== given.length) return undefined;
  const values = new Map<string, string>();
  for (const [i, part] of wanted.entries()) {
    const one = given[i] as string;
    if (!part.startsWith(':')) {
      if (part !== one) return undefined;
    } else if (one === '') return undefined;
    else values.set(part.slice(1), decodeURIComponent(one));
  }
  return values;
}

/**
 * The values of a body in the form of query values: text unchanged, anything else as JSON.
 * @throws CONFIG_INVALID for a body that is no object
 */
export function addBodyValues(query: URLSearchParams, body: unknown): void {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    const problem = 'must be an object with the values of the question by name';
    throw new MillraceError('CONFIG_INVALID', { field: '(body)', problem });
  }
  for (const [name, value] of Object.entries(body)) {
    if (value === null) continue;
    query.set(name, typeof value === 'string' ? value : JSON.stringify(value));
  }
}

/** A required value. @throws CONFIG_INVALID */
export function needed(query: URLSearchParams, field: string): string {
  const value = query.get(field);
  if (value !== null && value !== '') return value;
  throw new MillraceError('CONFIG_INVALID', { field, problem: `is missing: add ?${field}=...` });
}

/** A whole number from 1 on. @throws CONFIG_INVALID */
export function countOf(
  query: URLSearchParams,
  field: string,
  { usual, most }: { readonly usual: number; readonly most: number },
): number {
  const text = query.get(field);
  if (text === null) return usual;
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && value <= most) return value;
  const problem = `must be a whole number of 1 to ${most}, is ${text}`;
  throw new MillraceError('CONFIG_INVALID', { field, problem });
}

/**
 * Parses an instant, ms since 1970 or ISO 8601 with a zone, to ms UTC.
 * @throws CONFIG_INVALID
 */
export function instantOf(text: string, field: string): number {
  const at = instantIn(text);
  if (at !== undefined) return at;
  const problem = `must be ms since 1970 or ISO 8601 with its zone (2026-05-01T12:00:00Z), is ${text}`;
  throw new MillraceError('CONFIG_INVALID', { field, problem });
}

/** The greatest distance of an instant from 1970, ms. */
const farthest = 8.64e15;

/** Instants of a question, with defaults for missing ones. */
export function spanOf(query: URLSearchParams): { readonly from: number; readonly to: number } {
  const [from, to] = [query.get('from'), query.get('to')];
  const span = {
    from: from === null ? -farthest : instantOf(from, 'from'),
    to: to === null ? farthest : instantOf(to, 'to'),
  };
  if (span.from < span.to) return span;
  const problem = `must lie after from (${from}), is ${to}`;
  throw new MillraceError('CONFIG_INVALID', { field: 'to', problem });
}
