/** The responses of the console, for any HTTP server. */

export interface PageAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** A stream is written as it arrives, until it ends or the client disconnects. */
  readonly body: string | Uint8Array | AsyncIterable<string>;
}

/** The console for HTTP servers: serves GET below `/console/`. */
export interface PageServer {
  /** True for paths without data of the application: the page itself. */
  isPublic(path: string): boolean;
  /**
   * Undefined for a path that is not the console's. Throws a MillraceError for an invalid question.
   * @param signal aborts when the client no longer waits
   */
  answer(
    path: string,
    query: URLSearchParams,
    signal: AbortSignal,
  ): Promise<PageAnswer | undefined>;
}

/**
 * OWASP ASVS 5: 3.4. The page loads only its own files and queries only its own server; inline
 * scripts are not run, and no other page may frame it.
 */
export const pageHeaders: Readonly<Record<string, string>> = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

/** The JSON answer of a route. */
export function jsonAnswer(value: object): PageAnswer {
  const headers = { 'content-type': 'application/json', 'cache-control': 'no-store' };
  return { status: 200, headers, body: JSON.stringify(value) };
}
