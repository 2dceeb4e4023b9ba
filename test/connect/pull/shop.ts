/** A shop's REST interface that misbehaves as told: for tests of what is pulled from it. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

export interface Order {
  readonly id: unknown;
  readonly value?: unknown;
  readonly updated?: string;
}

export type Paging = 'cursor' | 'url' | 'page' | 'offset' | 'link' | 'none';

/** Answers in place of the shop, or lets it answer: undefined. `true`: it has answered. */
export type Fault = (
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
) => true | undefined | Promise<true | undefined>;

export interface Shop {
  readonly url: string;
  orders: Order[];
  /** Asked of each request, in turn; the first that answers. */
  fault: Fault;
  /** Path and parameters of each request. */
  readonly asked: string[];
}

/** Pages of `size` orders, in the order of the list, from `since` on. */
export async function startShop(paging: Paging, size = 2): Promise<Shop> {
  const shop: { -readonly [K in keyof Shop]: Shop[K] } = {
    url: '',
    orders: [],
    fault: () => undefined,
    asked: [],
  };
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '', shop.url);
    shop.asked.push(`${url.pathname}${url.search}`);
    void (async () => {
      if ((await shop.fault(request, response, url)) === true) return;
      answer(shop, paging, size, url, response);
    })();
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  shop.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return shop;
}

function answer(
  { orders, url: base }: Shop,
  paging: Paging,
  size: number,
  url: URL,
  response: ServerResponse,
): void {
  const { searchParams } = url;
  const since = searchParams.get('since');
  const wanted = orders.filter(({ updated }) => since === null || (updated ?? '') >= since);
  const number = (name: string, least: number) => Number(searchParams.get(name) ?? least);
  const first =
    paging === 'page'
      ? (number('page', 1) - 1) * size
      : number(paging === 'offset' ? 'offset' : 'after', 0);
  const page = paging === 'none' ? wanted : wanted.slice(first, first + size);
  const hasMore = first + size < wanted.length;
  const next = new URL(url);
  next.searchParams.set('after', String(first + size));
  const body: Record<string, unknown> = { data: { orders: page } };
  if (hasMore && paging === 'cursor') body['paging'] = { next: first + size };
  if (hasMore && paging === 'url') body['paging'] = { next: `${next.pathname}${next.search}` };
  if (hasMore && paging === 'link') {
    response.setHeader('link', `<${base}/first>; rel="first", <${next.href}>; rel="next"`);
  }
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(body));
}

/** Ten orders, a minute apart. */
export function tenOrders(): Order[] {
  return Array.from({ length: 10 }, (_, i) => ({
    id: `o${i}`,
    value: i,
    updated: new Date(Date.UTC(2026, 0, 1, 0, i)).toISOString(),
  }));
}

export const asRecords = (orders: readonly Order[]): string[] =>
  orders.map(({ id, value }) => `${id} ${value}`);
