/**
 * Join of two tables by key (SEMANTICS B.9). Nothing is kept but the tables themselves: a change of
 * one side reads the other's row. The result's timestamp is the greater of the two rows'. A joiner
 * that answers null or undefined makes no row.
 *
 * What is said, per change, follows Kafka Streams to the record, tombstones included:
 *
 *   inner   other side absent: nothing; else the joined row, or a deletion
 *   left    left change: nothing when there was and is nothing; right change: only when left exists
 *   outer   nothing when there was and is nothing
 */
import { aFunction, checkSetting } from '../engine/base/settings.ts';
import type { Step } from '../engine/graph/node.ts';
import type { AnyReceiver, BuildContext } from '../engine/graph/processor.ts';
import type { JoinKind } from './join-streams-store.ts';
import { present } from './present.ts';
import { type RowReader, type TableGetter, tableGetter } from './table-getter.ts';
import { Heard, underWay } from './under-way.ts';

/** A missing side is undefined. */
export type RowJoiner = (left: unknown, right: unknown) => unknown;

type Getters = readonly [left: TableGetter<unknown>, right: TableGetter<unknown>];

export function tableJoinStep(kind: JoinKind, joiner: RowJoiner, getters: Getters): Step {
  checkSetting('join.joiner', joiner, aFunction);
  return {
    kind: 'join-tables',
    name: 'join-tables',
    detail: { join: kind },
    stores: [],
    build: (context) => {
      const [left, right] = getters.map((getter) => sideOf(getter, context)) as [Side, Side];
      return [
        sideReceiver(kind, true, joiner, left, right, context),
        sideReceiver(kind, false, (r, l) => joiner(l, r), right, left, context),
      ];
    },
  };
}

interface Side {
  readonly read: RowReader<unknown>;
  readonly heard: Heard;
}

function sideOf(getter: TableGetter<unknown>, context: BuildContext): Side {
  const stores = getter.stores.map((store) => underWay(context.cells(store)));
  return { read: getter(context), heard: new Heard(stores) };
}

/** Changes of one side; the row of the other one is read as that side has heard of it. */
function sideReceiver(
  kind: JoinKind,
  isLeft: boolean,
  joiner: (own: unknown, other: unknown) => unknown,
  ownSide: Side,
  otherSide: Side,
  context: BuildContext,
): AnyReceiver {
  const next = context.output(0);
  // Without the own row there is a result when the other side is kept for itself; and reversed.
  const ownIsKept = kind === 'outer' || (kind === 'left' && isLeft);
  const otherIsKept = kind === 'outer' || (kind === 'left' && !isLeft);
  return {
    receive: (key, value, timestamp, old) => {
      ownSide.heard.hear();
      const other = otherSide.read(undefined, otherSide.heard.isAhead);
      const [now, before] = [value ?? undefined, old ?? undefined];
      if (other === undefined && !ownIsKept) return;
      if (other === undefined && now === undefined && before === undefined) return;
      const result = (own: unknown) =>
        own === undefined && (other === undefined || !otherIsKept)
          ? undefined
          : joiner(own, other?.value);
      const joinedAt = Math.max(timestamp, other?.timestamp ?? timestamp);
      const [joined, was] = [result(now) ?? null, result(before) ?? undefined];
      // A joiner that answers null of a row that was none: nothing changed.
      if (joined === null && was === undefined && (now ?? before) !== undefined) return;
      next.receive(key, joined, joinedAt, was);
    },
  };
}

/** The joined row, read from both tables. */
export function tableJoinGetter(
  kind: JoinKind,
  joiner: RowJoiner,
  getters: Getters,
): TableGetter<unknown> {
  const stores = [...new Set(getters.flatMap((getter) => getter.stores))];
  return tableGetter(stores, (context) => {
    const [readLeft, readRight] = [getters[0](context), getters[1](context)];
    return (_, isAhead) => {
      const [left, right] = [readLeft(undefined, isAhead), readRight(undefined, isAhead)];
      if (left === undefined && (kind !== 'outer' || right === undefined)) return undefined;
      if (right === undefined && kind === 'inner') return undefined;
      const timestamp = Math.max(left?.timestamp ?? 0, right?.timestamp ?? 0);
      const value = joiner(left?.value, right?.value);
      return present(value) ? { value, timestamp } : undefined;
    };
  });
}
