/** Questions to the process that serves the page. */

const tokenKey = 'millrace.token';

/** A question that failed: the server answered with an error, or did not answer (status 0). */
export class AskError extends Error {
  readonly status: number;
  readonly remedy: string | undefined;

  constructor(status: number, message: string, remedy?: string) {
    super(message);
    this.status = status;
    this.remedy = remedy;
  }
}

/** Kept until the window is closed, and never part of an address. */
export function keptToken(): string | undefined {
  return sessionStorage.getItem(tokenKey) ?? undefined;
}

export function keepToken(token: string | undefined): void {
  if (token === undefined) sessionStorage.removeItem(tokenKey);
  else sessionStorage.setItem(tokenKey, token);
}

export function headersOf(): Record<string, string> {
  const token = keptToken();
  return token === undefined ? {} : { authorization: `Bearer ${token}` };
}

/**
 * The address of a path of the server; it works behind a proxy that serves it below another path.
 */
export function addressOf(path: string): string {
  return new URL(`..${path}`, document.baseURI.replace(/[?#].*$/, '')).href;
}

/** `body` is sent as JSON. @throws AskError */
export async function ask<T>(
  path: string,
  options: { readonly body?: unknown; readonly signal?: AbortSignal } = {},
): Promise<T> {
  const response = await send(path, options);
  const text = await response.text();
  let value: unknown;
  try {
    value = text === '' ? undefined : JSON.parse(text);
  } catch {
    throw new AskError(response.status, 'The answer cannot be read: is Millrace at this address?');
  }
  if (response.ok) return value as T;
  const { problem = response.statusText, remedy } = (value ?? {}) as {
    problem?: string;
    remedy?: string;
  };
  if (response.status === 401) dispatchEvent(new Event('signedout'));
  throw new AskError(response.status, problem, remedy);
}

/**
 * A question about a person. Its values travel in the body, so that no name is part of an address,
 * which proxies log. If the server has only the address form, that is used.
 */
export async function askAbout<T>(
  path: string,
  values: Readonly<Record<string, string>>,
  signal?: AbortSignal,
): Promise<T> {
  const options = signal === undefined ? {} : { signal };
  try {
    return await ask<T>(path, { body: values, ...options });
  } catch (error) {
    if (!(error instanceof AskError) || error.status !== 405) throw error;
    return ask<T>(`${path}?${new URLSearchParams(values)}`, options);
  }
}

async function send(
  path: string,
  { body, signal }: { readonly body?: unknown; readonly signal?: AbortSignal },
): Promise<Response> {
  const own = headersOf();
  try {
    return await fetch(addressOf(path), {
      ...(signal === undefined ? {} : { signal }),
      ...(body === undefined
        ? { headers: own }
        : {
            method: 'POST',
            headers: { ...own, 'content-type': 'application/json' },
            body: JSON.stringify(body),
          }),
    });
  } catch (error) {
    if (signal?.aborted === true) throw error;
    throw new AskError(
      0,
      'Millrace does not answer.',
      'It may be starting again: see the terminal.',
    );
  }
}

/**
 * Server-sent events by `fetch`, which can send a token. It ends with the stream. @throws AskError
 */
export async function* eventsOf(
  path: string,
  signal: AbortSignal,
): AsyncGenerator<{ readonly event: string; readonly data: unknown }> {
  const response = await send(path, { signal });
  if (!response.ok || response.body === null) {
    if (response.status === 401) dispatchEvent(new Event('signedout'));
    throw new AskError(response.status, response.statusText);
  }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const { value, done } = await reader.read().catch(() => ({ value: undefined, done: true }));
    if (done) return;
    text += value ?? '';
    const blocks = text.split('\n\n');
    text = blocks.pop() ?? '';
    for (const block of blocks) {
      let event = 'message';
      let data = '';
      for (const line of block.split('\n')) {
        if (line.startsWith('event: ')) event = line.slice('event: '.length);
        else if (line.startsWith('data: ')) data += line.slice('data: '.length);
      }
      if (data !== '') yield { event, data: JSON.parse(data) as unknown };
    }
  }
}
