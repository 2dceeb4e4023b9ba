/**
 * Runs a pulled source without an engine: what it hands over, with kills between page and commit.
 */

import type { Observer } from '../../../engine/base/events.ts';
import type { CommonSpec } from '../../../engine/connect/pull/common-spec.ts';
import { PullSource, type PullSourceOptions } from '../../../engine/connect/pull/pull-source.ts';
import type { Puller } from '../../../engine/connect/pull/puller.ts';
import { Schedule } from '../../../engine/connect/pull/schedule.ts';
import type { Secrets } from '../../../engine/connect/pull/secrets.ts';
import { PackedBatch } from '../../../engine/record/batch.ts';
import { decodeHeaders } from '../../../engine/record/headers.ts';
import type { SourceChunk } from '../../../engine/runtime/connector.ts';
import { json, topic } from '../../../operators/index.ts';

export const rows = topic<string, unknown>('rows', { value: json() });

export interface Pulled {
  /** `id value` of each record, in order. */
  readonly records: string[];
  readonly deadLetters: { readonly text: string; readonly reason: string; readonly from: string }[];
  readonly skipped: Record<string, number>;
  read: number;
  /** Problems of the outside that were told of. */
  readonly troubles: string[];
  cursor: unknown;
}

export const nothing = (cursor?: unknown): Pulled => ({
  records: [],
  deadLetters: [],
  skipped: {},
  read: 0,
  troubles: [],
  cursor,
});

export const noSecrets: Secrets = {
  env: {},
  readFile: () => Promise.reject(new Error('no file')),
  writeFile: () => Promise.reject(new Error('no file')),
};

export interface PullingOptions {
  readonly puller: Puller;
  readonly spec?: CommonSpec;
  readonly bounded?: boolean;
  readonly kind?: string;
  readonly target?: string;
  readonly map?: PullSourceOptions<string, unknown>['map'];
}

/** A row is `id` with `value`; without an id it is refused. */
export function sourceOf(options: PullingOptions): PullSource<string, unknown> {
  const { puller, spec = {}, bounded = true, kind = 'test', target } = options;
  return new PullSource<string, unknown>({
    name: 'given',
    kind,
    puller,
    bounded,
    schedule: new Schedule(spec, 0.01),
    topic: rows,
    backOff: { firstMs: 1, mostMs: 4 },
    map:
      options.map ??
      (({ id, value }) => {
        if (typeof id !== 'string' && typeof id !== 'number') return { reject: 'there is no id' };
        return { key: String(id), value: value ?? null, timestamp: 1 };
      }),
    ...(target === undefined ? {} : { target }),
  });
}

/**
 * Pulls from a cursor until the source is done, or `enough` says so.
 * @param killAfter the process dies when so many chunks with records were handed over: the last of
 *   them is not committed
 */
export async function pull(
  options: PullingOptions,
  from: Pulled = nothing(),
  {
    killAfter = Number.POSITIVE_INFINITY,
    limit = 1,
    enough = () => false,
  }: { killAfter?: number; limit?: number; enough?: (pulled: Pulled) => boolean } = {},
): Promise<Pulled> {
  const pulled: Pulled = structuredClone(from);
  const source = sourceOf(options);
  const observer: Observer = {
    on: (name, event) => {
      if (name === 'sourceAway') pulled.troubles.push((event as { problem: string }).problem);
    },
  };
  const partitionsOf = { rows: 1, dead: 1 };
  await source.open({ cursor: pulled.cursor, partitionsOf, deadLetterTopic: 'dead', observer });
  try {
    for (let chunks = 0; ; ) {
      const chunk = await source.next(limit);
      if (chunk.records > 0 && ++chunks >= killAfter) return pulled;
      commit(pulled, chunk);
      if (chunk.done || enough(pulled)) return pulled;
      if (chunk.records === 0) await new Promise((done) => setTimeout(done, 2));
    }
  } finally {
    await source.close();
  }
}

function commit(pulled: Pulled, chunk: SourceChunk): void {
  pulled.read += chunk.records;
  for (const { topic: name, image } of chunk.outputs) {
    const batch = new PackedBatch(image);
    for (let i = 0; i < batch.count; i++) {
      const text = batch.value(i)?.toString() ?? '';
      if (name === 'rows') pulled.records.push(`${batch.key(i)?.toString()} ${text}`);
      else {
        const { reason = '', topic: origin = '' } = decodeHeaders(batch.headerBytes(i));
        pulled.deadLetters.push({ text, reason, from: origin });
      }
    }
  }
  for (const [reason, count] of Object.entries(chunk.skipped ?? {})) {
    pulled.skipped[reason] = (pulled.skipped[reason] ?? 0) + count;
  }
  // A runtime commits no cursor without a reason, and keeps it as JSON.
  if (chunk.records > 0 || chunk.moved === true) {
    pulled.cursor = JSON.parse(JSON.stringify(chunk.cursor));
  }
}
