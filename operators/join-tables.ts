/**
 * Join of two tables by key (SEMANTICS B.9). It keeps no state: a change of one side reads the
 * other's row. The timestamp of a result is the greater of the two rows'. If the joiner returns
 * null or undefined, there is no row.
 *
 * The emitted changes are those of Kafka Streams, record by record, including tombstones:
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

/** Receives changes of one side; reads the other side's row as last emitted there. */
function sideReceiver(
  kind: JoinKind,
  isLeft: boolean,
  joiner: (own: unknown, other: unknown) => unknown,
  ownSide: Side,
  otherSide: Side,
  context: BuildContext,
): AnyReceiver {
  const next = context.output(0);
  // Without this side's row there is a result if the join keeps the other side unmatched.
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
      // The joiner returned null where there was no row: nothing changed.
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
