/** Finds the next page of an answer. */

import { valueAt } from '../paths.ts';
import { refused } from '../puller.ts';
import { type Answer, sameOrigin } from './rest-request.ts';
import type { PagingSpec } from './rest-spec.ts';

/** The next page: a token, an address or a number, as JSON; undefined for the first. */
export type PageMark = string | number | undefined;

export interface PageRead {
  readonly source: string;
  readonly url: URL;
  readonly mark: PageMark;
  readonly answer: Answer;
  /** The JSON of the answer. */
  readonly value: unknown;
  /** Rows of the page, before any is skipped. */
  readonly rows: number;
}

/**
 * The address of a page.
 * @param first of the first page, with all parameters but those of paging
 */
export function pageUrl(paging: PagingSpec | undefined, first: URL, mark: PageMark): URL {
  const url = new URL(first);
  if (paging === undefined) return url;
  const set = (name: string, value: string | number) => url.searchParams.set(name, String(value));
  switch (paging.type) {
    case 'cursor':
      if (mark !== undefined) set(paging.parameter, mark);
      return url;
    case 'url':
    case 'link':
      return mark === undefined ? url : new URL(String(mark));
    case 'page':
      set(paging.parameter, mark ?? paging.first ?? 1);
      if (paging.sizeParameter !== undefined) set(paging.sizeParameter, paging.size ?? 100);
      return url;
    case 'offset':
      set(paging.parameter, mark ?? 0);
      set(paging.limitParameter, paging.limit);
      return url;
  }
}

/**
 * The page after one; undefined after the last.
 * @throws SOURCE_REFUSED for one that leads to itself
 */
export function nextPage(paging: PagingSpec | undefined, read: PageRead): PageMark {
  const next = paging === undefined ? undefined : nextOf(paging, read);
  if (next !== undefined && next === read.mark) {
    throw refused(read.source, `the next page of ${JSON.stringify(next)} is that page itself`);
  }
  return next;
}

function nextOf(
  paging: PagingSpec,
  { source, url, mark, answer, value, rows }: PageRead,
): PageMark {
  switch (paging.type) {
    case 'cursor': {
      const found = valueAt(value, paging.from);
      const isMark = typeof found === 'number' || (typeof found === 'string' && found !== '');
      return isMark ? found : undefined;
    }
    case 'url': {
      const found = valueAt(value, paging.from);
      if (typeof found !== 'string' || found === '') return undefined;
      return sameOrigin(source, found, url).href;
    }
    case 'link': {
      const found = linkTo(answer.headers.get('link'), 'next');
      return found === undefined ? undefined : sameOrigin(source, found, url).href;
    }
    // A page with fewer rows than requested is not always the last; only a page without rows is.
    case 'page':
      return rows === 0 ? undefined : Number(mark ?? paging.first ?? 1) + 1;
    case 'offset':
      return rows === 0 ? undefined : Number(mark ?? 0) + rows;
  }
}

/**
 * Where reading continues after a pause. Numbered pages may have shifted meanwhile, so one page is
 * read again; its rows are known.
 */
export function resumedAt(paging: PagingSpec | undefined, mark: PageMark): PageMark {
  if (mark === undefined) return undefined;
  if (paging?.type === 'page') return Math.max(paging.first ?? 1, Number(mark) - 1);
  if (paging?.type === 'offset') return Math.max(0, Number(mark) - paging.limit);
  return mark;
}

/** The target of a link of a relation. RFC 8288: `<target>; rel="a b"; more="x", <target>; ...` */
export function linkTo(header: string | null, relation: string): string | undefined {
  const links = (header ?? '').matchAll(
    /<([^>]*)>((?:\s*;\s*[\w!#$&+.^`|~*-]+(?:\s*=\s*(?:"(?:[^"\\]|\\.)*"|[^",;\s]+))?)*)/g,
  );
  for (const [, target, parameters = ''] of links) {
    const rel = /;\s*rel\s*=\s*(?:"([^"]*)"|([^",;\s]+))/i.exec(parameters);
    const relations = (rel?.[1] ?? rel?.[2] ?? '').toLowerCase().split(/\s+/);
    if (relations.includes(relation)) return target;
  }
  return undefined;
}
