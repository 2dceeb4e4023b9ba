/** Questions about stores and tables of any topology. */
import { bytesOfKeyText, keyTextOf, prefixEnd } from '../base/bytes.ts';
import { MillraceError } from '../base/errors.ts';
import type { StoreSpec } from '../graph/store-spec.ts';
import { listedTables } from '../graph/view.ts';
import type { Runtime } from '../runtime/runtime.ts';
import {
  askedKeyText,
  type PageAnswer,
  type PageCursor,
  type TableQuestions,
} from '../runtime/table-questions.ts';
import type { KeyRange } from '../state/committed-reads.ts';
import { countOf, needed, type Route, spanOf } from './routes.ts';

/** A running application for routes; the getters may throw before it is open. */
export interface AskedTables {
  readonly runtime: Pick<Runtime, 'tasks'>;
  readonly tables: TableQuestions;
}

const limits = { usual: 100, most: 1_000 };

const store = { description: 'Name of a store or table; GET /v1/stores lists them.' };
const key = {
  description: 'As text; whole numbers, base64 for bytes, JSON for other formats.',
};
const limit = {
  description: `Keys a page, at most ${limits.most}; ${limits.usual} when nothing is said.`,
  type: 'integer',
} as const;
const cursor = { description: '`next` of the page before.' };
const from = { description: 'First instant: ms since 1970, or ISO 8601 with its zone.' };
const to = { description: 'End, exclusive.' };

const rowSchema = {
  type: 'object',
  properties: {
    key: {},
    value: {},
    window: {
      type: 'object',
      description: 'Of a window, ms UTC.',
      properties: { start: { type: 'number' }, end: { type: 'number' } },
      required: ['start', 'end'],
    },
    timestamp: { type: 'number', description: 'Of the newest record in the value, ms UTC.' },
  },
  required: ['key', 'value'],
};

/** The commit and watermark fields of every answer. */
export const asOfSchema = {
  type: 'object',
  description: 'All that this commit, and those before it, have changed is in the answer.',
  properties: {
    task: { type: 'string', description: 'Of several tasks the one that is furthest behind.' },
    commit: { type: 'integer' },
    watermark: { type: ['number', 'null'], description: 'Event time of the task, ms UTC.' },
    stale: {
      type: 'boolean',
      description: 'True of an answer that is not from the process that holds the task now.',
    },
  },
  required: ['task', 'commit', 'watermark'],
};

const rowsSchema = {
  type: 'object',
  properties: {
    rows: { type: 'array', items: rowSchema },
    next: { type: 'string', description: 'Cursor of the next page; absent at the end.' },
    asOf: asOfSchema,
  },
  required: ['rows', 'asOf'],
};

const tablesSchema = {
  type: 'object',
  properties: {
    stores: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          name: { type: 'string' },
          kind: { type: 'string' },
          keyFormat: { type: 'string' },
          valueFormat: { type: 'string' },
        },
        required: ['name', 'kind', 'keyFormat', 'valueFormat'],
      },
    },
  },
  required: ['stores'],
};

export function tableRoutes(asked: AskedTables): readonly Route[] {
  const rowsOf = async (query: URLSearchParams, signal: AbortSignal) => {
    const name = needed(query, 'store');
    const keyText = askedKeyText(asked.tables.specOf(name), needed(query, 'key'), 'key');
    return asked.tables.row(name, keyText, {}, signal);
  };
  return [
    {
      method: 'GET',
      path: '/v1/stores',
      byPost: null,
      about: { summary: 'Stores and tables that can be asked for rows.', answer: tablesSchema },
      answer: async () => ({
        stores: listedTables(asked.runtime.tasks.topology).map(
          ({ name, kind, keyFormat, valueFormat }) => ({ name, kind, keyFormat, valueFormat }),
        ),
      }),
    },
    {
      method: 'GET',
      path: '/v1/stores/:store/rows/:key',
      byPost: null,
      about: {
        summary: 'Rows of one key: of a windowed table one a window. None: an empty list.',
        parameters: { store, key },
        answer: rowsSchema,
      },
      answer: (query, _, signal) => rowsOf(query, signal),
    },
    {
      method: 'GET',
      path: '/v1/stores/:store/rows',
      about: {
        summary: 'Rows page by page, or of one key: partition after partition, by the keys’ bytes.',
        parameters: {
          store,
          key: { ...key, description: `Rows of this key alone. ${key.description}` },
          from: { description: 'First key, inclusive.' },
          to: { description: 'End of the keys, exclusive.' },
          prefix: { description: 'What the keys begin with, of text and bytes.' },
          limit,
          cursor,
        },
        answer: rowsSchema,
      },
      answer: async (query, _, signal) => {
        if (query.has('key')) return rowsOf(query, signal);
        const name = needed(query, 'store');
        const range = rangeOf(asked.tables.specOf(name), query);
        return pageOf(asked.tables, name, { range }, query, signal);
      },
    },
    {
      method: 'GET',
      path: '/v1/stores/:store/windows/:key',
      byPost: '/v1/stores/:store/windows',
      about: {
        summary: 'Windows of a key that overlap [from, to).',
        parameters: { store, key, from, to },
        answer: rowsSchema,
      },
      answer: async (query, _, signal) => {
        const name = needed(query, 'store');
        const keyText = askedKeyText(asked.tables.specOf(name), needed(query, 'key'), 'key');
        return asked.tables.row(name, keyText, { window: spanOf(query) }, signal);
      },
    },
  ];
}

/** A page of a table by its query. */
export async function pageOf(
  tables: TableQuestions,
  name: string,
  what: { readonly range?: KeyRange; readonly args?: unknown },
  query: URLSearchParams,
  signal: AbortSignal,
): Promise<object> {
  const cursor = query.get('cursor');
  const question = {
    ...what,
    limit: countOf(query, 'limit', limits),
    ...(cursor === null ? {} : { cursor: cursorOf(cursor) }),
  };
  const { next, ...answer }: PageAnswer = await tables.page(name, question, signal);
  return next === undefined ? answer : { ...answer, next: cursorText(next) };
}

function rangeOf(spec: StoreSpec<unknown, unknown>, query: URLSearchParams): KeyRange {
  const prefix = query.get('prefix');
  const bound = (field: string) => {
    const text = query.get(field);
    return text === null ? undefined : askedKeyText(spec, text, field);
  };
  const [from, to] = [bound('from'), bound('to')];
  if (prefix === null) return { from, to };
  const refuse = (problem: string): never => {
    throw new MillraceError('CONFIG_INVALID', { field: 'prefix', problem });
  };
  if (from !== undefined || to !== undefined) return refuse('stands for from and to: give no more');
  const { format } = spec.key;
  if (format !== 'utf8' && format !== 'raw') {
    return refuse(`keys of the format ${format} have no prefix: use from and to`);
  }
  const start = askedKeyText(spec, prefix, 'prefix');
  const end = prefixEnd(bytesOfKeyText(start));
  return { from: start, to: end === null ? undefined : keyTextOf(end) };
}

function cursorText({ partition, after }: PageCursor): string {
  const bytes = after === undefined ? Buffer.alloc(0) : bytesOfKeyText(after);
  const rest = after === undefined ? '' : `.${bytes.toString('base64url')}`;
  return `${partition}${rest}`;
}

function cursorOf(text: string): PageCursor {
  const found = /^(\d{1,6})(?:\.([\w-]*))?$/.exec(text);
  if (found === null) {
    const problem = 'is not the `next` of a page';
    throw new MillraceError('CONFIG_INVALID', { field: 'cursor', problem });
  }
  const [, partition, after] = found;
  if (after === undefined) return { partition: Number(partition) };
  return { partition: Number(partition), after: keyTextOf(Buffer.from(after, 'base64url')) };
}
