/**
 * Join of two tables by key (SEMANTICS B.9). Nothing is kept but the tables themselves: a change of
 * one side reads the other's row. The result's timestamp is the greater of the two rows'.
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
import type { JoinKind } from './join-streams.ts';
import type { RowReader, TableGetter } from './table-getter.ts';

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
    build: (context) => [
      sideReceiver(kind, true, joiner, getters[1](context), context),
      sideReceiver(kind, false, (r, l) => joiner(l, r), getters[0](context), context),
    ],
  };
}

/** Changes of one side; `other` reads the row of the other one. */
function sideReceiver(
  kind: JoinKind,
  isLeft: boolean,
  joiner: (own: unknown, other: unknown) => unknown,
  readOther: RowReader<unknown>,
  context: BuildContext,
): AnyReceiver {
  const next = context.output(0);
  // Without the own row there is a result when the other side is kept for itself; and reversed.
  const ownIsKept = kind === 'outer' || (kind === 'left' && isLeft);
  const otherIsKept = kind === 'outer' || (kind === 'left' && !isLeft);
  return {
    receive: (key, value, timestamp, old) => {
      const other = readOther();
      const [now, before] = [value ?? undefined, old ?? undefined];
      if (other === undefined && !ownIsKept) return;
      if (other === undefined && now === undefined && before === undefined) return;
      const result = (own: unknown) =>
        own === undefined && (other === undefined || !otherIsKept)
          ? undefined
          : joiner(own, other?.value);
      const joinedAt = Math.max(timestamp, other?.timestamp ?? timestamp);
      next.receive(key, result(now) ?? null, joinedAt, result(before));
    },
  };
}

/** The joined row, read from both tables. */
export function tableJoinGetter(
  kind: JoinKind,
  joiner: RowJoiner,
  getters: Getters,
): TableGetter<unknown> {
  return (context) => {
    const [readLeft, readRight] = [getters[0](context), getters[1](context)];
    return () => {
      const [left, right] = [readLeft(), readRight()];
      if (left === undefined && (kind !== 'outer' || right === undefined)) return undefined;
      if (right === undefined && kind === 'inner') return undefined;
      const timestamp = Math.max(left?.timestamp ?? 0, right?.timestamp ?? 0);
      return { value: joiner(left?.value, right?.value), timestamp };
    };
  };
}
