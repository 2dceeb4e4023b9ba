/** The origins whose web pages may send events. fetch.spec.whatwg.org: "CORS protocol". */
import type { FastifyReply, FastifyRequest } from 'fastify';

type Headers = Readonly<Record<string, string | string[] | undefined>>;

export class Origins {
  readonly #named: ReadonlySet<string>;
  readonly #all: boolean;

  /** @param origins such as `https://shop.example`; `*`: every one */
  constructor(origins: readonly string[] = []) {
    this.#named = new Set(origins);
    this.#all = this.#named.has('*');
  }

  /** Whether web pages of elsewhere may send at all. */
  get any(): boolean {
    return this.#named.size > 0;
  }

  /** Whether the page that sent a request is one of those that may. */
  has({ headers }: { readonly headers: Headers }): boolean {
    const { origin } = headers;
    return typeof origin === 'string' && (this.#all || this.#named.has(origin));
  }

  /** Lets a browser hand the answer to the page, also when the request is refused. */
  letRead(request: FastifyRequest, reply: FastifyReply): void {
    if (!this.any) return;
    // A picture tells no origin.
    reply.header('cross-origin-resource-policy', 'cross-origin').header('vary', 'origin');
    const { origin } = request.headers;
    if (origin === undefined || !this.has(request)) return;
    reply.header('access-control-allow-origin', origin);
    reply.header('access-control-expose-headers', 'retry-after');
    // Trackers send with credentials by default. What a browser keeps for this address is not for
    // every page to use.
    if (!this.#all) reply.header('access-control-allow-credentials', 'true');
  }
}
