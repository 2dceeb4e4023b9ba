/**
 * Foreign-key join of two tables (KIP-213, SEMANTICS B.10): each row of the left table names a key
 * of the right one.
 *
 *   left row ──plan──► subscription, to the task of the foreign key ──► right table
 *       ▲  └─(no foreign key: response at once)                              │
 *       └──────────── response, back to the task of the left key ◄───────────┘
 *
 * A response has the hash of the left row of its request. If the row has changed since, the
 * response is stale and has no effect: the newer subscription gets its own.
 */
import { createHash } from 'node:crypto';
import { aFunction, checkSetting } from '../engine/base/settings.ts';
import type { Step } from '../engine/graph/node.ts';
import { type AnyReceiver, discards } from '../engine/graph/processor.ts';
import type { Cells, StoreSpec } from '../engine/graph/store-spec.ts';
import { declaredTopic } from '../engine/graph/topic.ts';
import type { Serde } from '../engine/serde/serde.ts';
import { type AggregateCell, aggregateStore } from './aggregate.ts';
import {
  hashBytes,
  note,
  type Subscribers,
  subscriberStore,
  subscribersOf,
} from './foreign-key-subscribers.ts';
import { present } from './present.ts';
import { rowOf, type TableGetter } from './table-getter.ts';
import { underWay } from './under-way.ts';

export interface ForeignKeyJoinOptions {
  readonly name: string;
  readonly kind: 'inner' | 'left';
  /** null or undefined: the row has no foreign key. */
  readonly foreignKey: (value: unknown, key: unknown) => unknown;
  readonly joiner: (left: unknown, right: unknown) => unknown;
  readonly left: { readonly key: Serde<unknown>; readonly value: Serde<unknown> };
  readonly right: { readonly key: Serde<unknown>; readonly value: Serde<unknown> };
  readonly result: Serde<unknown>;
  readonly leftGetter: TableGetter<unknown>;
  readonly rightGetter: TableGetter<unknown>;
}

/**
 * What the right side must do with a subscription. Every request gets a response: while several
 * changes are in progress, silence would be ambiguous between "nothing changed" and "the response
 * was to an older row".
 */
const ask = {
  /** Remove it; the left side needs no response. */
  forget: 0,
  /** Remove it, and respond that there is no row; in records of earlier versions. */
  forgetAndAnswer: 1,
  /** Keep it, and respond with the row, or that there is none. */
  answer: 2,
  /** As `answer`, but a missing row is only forwarded if there was a result. */
  answerQuietly: 3,
} as const;

interface Subscription {
  readonly leftKey: Buffer;
  readonly hash: Buffer;
  readonly ask: number;
}

interface Answer {
  readonly hash: Buffer;
  /**
   * True where Kafka Streams forwards a deletion only if there was a result. Otherwise it always
   * forwards one, and so do we.
   */
  readonly quiet?: boolean;
  /** The right row's bytes; absent if there is none. */
  readonly right?: Buffer;
}

/** Hash of a missing left row. */
const noRow = Buffer.alloc(hashBytes);

/** u8 ask · hash · left key. */
const subscriptionSerde: Serde<Subscription> = {
  format: 'fk-subscription',
  encode: (one) => Buffer.concat([Buffer.of(one.ask), one.hash, one.leftKey]),
  decode: (bytes, start, end) => ({
    ask: bytes[start] as number,
    hash: Buffer.from(bytes.subarray(start + 1, start + 1 + hashBytes)),
    leftKey: Buffer.from(bytes.subarray(start + 1 + hashBytes, end)),
  }),
};

/** hash · u8 0: no row, 1: a row, 2: no row, quietly · its bytes. */
const answerSerde: Serde<Answer> = {
  format: 'fk-answer',
  encode: ({ hash, right, quiet = false }) => {
    const which = right === undefined ? (quiet ? 2 : 0) : 1;
    return Buffer.concat([hash, Buffer.of(which), right ?? Buffer.alloc(0)]);
  },
  decode: (bytes, start, end) => {
    const at = start + hashBytes;
    return {
      hash: Buffer.from(bytes.subarray(start, at)),
      quiet: bytes[at] === 2,
      ...(bytes[at] === 1 ? { right: Buffer.from(bytes.subarray(at + 1, end)) } : {}),
    };
  },
};

function hashOf(serde: Serde<unknown>, value: unknown): Buffer {
  if (value === null || value === undefined) return noRow;
  return createHash('sha256').update(serde.encode(value)).digest().subarray(0, hashBytes);
}

/**
 * Left side: sends the request of each change. Output 0: subscriptions by foreign key; 1: immediate
 * responses, to a row that is deleted or has no foreign key. Each change gets one response, from
 * here or from the right side.
 */
export function planStep({ name, kind, foreignKey, joiner, left }: ForeignKeyJoinOptions): Step {
  checkSetting(`${name}.foreignKey`, foreignKey, aFunction);
  checkSetting(`${name}.joiner`, joiner, aFunction);
  return {
    kind: 'fk-plan',
    name: `${name}-plan`,
    detail: { join: kind },
    stores: [],
    build: (context) => {
      const [subscribe, answerAtOnce] = [context.output(0), context.output(1)];
      return [
        {
          receive: (key, now, timestamp, old) => {
            if (!present(now) && !present(old)) return;
            const keyOf = (row: unknown) =>
              present(row) ? (foreignKey(row, key) ?? undefined) : undefined;
            const [before, after] = [keyOf(old), keyOf(now)];
            const hash = hashOf(left.value, now);
            const leftKey = Buffer.from(left.key.encode(key));
            const send = (to: unknown, what: number) =>
              subscribe.receive(to, { leftKey, hash, ask: what }, timestamp);
            const moved = before !== undefined && before !== after;
            if (moved) send(before, ask.forget);
            if (after !== undefined) {
              send(after, moved || kind === 'left' ? ask.answer : ask.answerQuietly);
              return;
            }
            answerAtOnce.receive(key, { hash, quiet: kind === 'inner' && !moved }, timestamp);
            if (kind === 'inner' && present(now) && before === undefined) {
              context.task.drop(name, 'null_key');
            }
          },
        },
      ];
    },
  };
}

/** Carries subscriptions to the task of the foreign key. */
export function subscribeStep({ name, right }: ForeignKeyJoinOptions): Step {
  return carrierStep(`${name}-subscribe`, right.key, subscriptionSerde);
}

/** Carries responses back to the task of the left key. */
export function answerStep({ name, left }: ForeignKeyJoinOptions): Step {
  return carrierStep(`${name}-answer`, left.key, answerSerde);
}

function carrierStep<K, V>(name: string, key: Serde<K>, value: Serde<V>): Step {
  const carrier = declaredTopic<K, V>(`${name}-repartition`, { key, value });
  return {
    kind: 'fk-carrier',
    name,
    stores: [],
    repartition: { topic: carrier as never },
    build: ({ task }) => [
      { receive: (to, what, timestamp) => task.emit(carrier, to as K, what as V, timestamp) },
    ],
  };
}

/** Right side. Inputs: subscriptions, changes of the right table. Output: responses by left key. */
export function matchStep({ name, left, right, rightGetter }: ForeignKeyJoinOptions): Step {
  const store = subscriberStore(`${name}-subscribers`, right.key);
  return {
    kind: 'fk-match',
    name: `${name}-subscribers`,
    stores: [store],
    build: (context) => {
      const cells: Cells<Subscribers> = context.cells(store);
      const readRight = rightGetter(context);
      const next = context.output(0);
      const answer = (
        leftKey: string,
        hash: Buffer,
        row: unknown,
        timestamp: number,
        quiet = false,
      ) => {
        const bytes = Buffer.from(leftKey, 'latin1');
        const to = left.key.decode(bytes, 0, bytes.byteLength);
        const found = present(row) ? { right: Buffer.from(right.value.encode(row)) } : {};
        next.receive(to, { hash, quiet, ...found }, timestamp);
      };
      const subscriptions: AnyReceiver = {
        receive: (_, value, timestamp) => {
          const { leftKey: keyBytes, hash, ask: what } = value as Subscription;
          const leftKey = keyBytes.toString('latin1');
          const keeps = what === ask.answer || what === ask.answerQuietly;
          note(cells, leftKey, keeps ? { hash, timestamp } : undefined);
          if (what === ask.forget) return;
          const row = readRight();
          const at = Math.max(timestamp, row?.timestamp ?? timestamp);
          answer(leftKey, hash, keeps ? row?.value : undefined, at, what === ask.answerQuietly);
        },
      };
      const changes: AnyReceiver = {
        receive: (_, value, timestamp) => {
          const cell = cells.get();
          if (cell === undefined) return;
          // As in Kafka Streams, results have the time of this change, even if a left row is later.
          for (const { leftKey, hash } of subscribersOf(cell)) {
            answer(leftKey, hash, value, timestamp);
          }
        },
      };
      return [subscriptions, changes];
    },
  };
}

/**
 * Left side again. Inputs: responses, immediate responses, the left table. Output: the joined
 * table.
 */
export function resultStep(options: ForeignKeyJoinOptions): {
  readonly step: Step;
  readonly store: StoreSpec<unknown, AggregateCell<unknown>>;
} {
  const { name, kind, joiner, left, right, leftGetter } = options;
  const store = aggregateStore(name, left.key, options.result);
  const step: Step = {
    kind: 'fk-result',
    name,
    detail: { join: kind },
    stores: [store],
    build: (context) => {
      const cells: Cells<AggregateCell<unknown>> = context.cells(store);
      const readLeft = leftGetter(context);
      const next = context.output(0);
      const changing = underWay(cells);
      const answers: AnyReceiver = {
        receive: (key, value, timestamp) => {
          const { hash, right: bytes, quiet } = value as Answer;
          const current = readLeft()?.value;
          if (!hashOf(left.value, current).equals(hash)) return;
          const row = bytes && right.value.decode(bytes, 0, bytes.byteLength);
          const joined = present(current) && (kind === 'left' || bytes !== undefined);
          const result = joined ? joiner(current, row) : null;
          const before = rowOf(cells.get());
          if (present(result)) {
            cells.put({ accumulator: result, timestamp });
            changing.tell(before, next, key, result, timestamp);
          } else if (before !== undefined || quiet !== true) {
            cells.remove();
            changing.tell(before, next, key, null, timestamp);
          }
        },
      };
      return [answers, answers, discards];
    },
  };
  return { step, store };
}
