/**
 * Aggregate of the rows of a group that expires `ttlMs` after its last change, with or without
 * rows. Its rows are forgotten with it: if one of them changes or leaves later, it is not
 * subtracted from a newer group that never counted it. A row's time tells to which group it
 * belongs:
 *
 *     ttl 100      0: a comes    100: the group ends    250: b comes    300: a leaves
 *     count           1             (deleted)              1               1
 *
 * A group that begins at stream time n counts only rows later than n - ttl, because older ones have
 * expired on arrival; and no row of the previous group is later, or that group would not have
 * expired by n.
 */
import type { Step } from '../engine/graph/node.ts';
import type { AnyReceiver, BuildContext } from '../engine/graph/processor.ts';
import type { StoreSpec } from '../engine/graph/store-spec.ts';
import { faithful } from '../engine/serde/faithful.ts';
import { encodeTo, type Serde } from '../engine/serde/serde.ts';
import type { SubtractableAggregate } from './aggregate-value.ts';
import type { GroupChange } from './group-table.ts';
import { present } from './present.ts';
import { expiringStore, livingGetter, RowExpiry } from './row-expiry.ts';
import { type TableGetter, type TableRow, tableGetter } from './table-getter.ts';
import { type UnderWay, underWay } from './under-way.ts';

interface GroupCell<A> {
  /** undefined: the aggregate returned null, so the group has no row. */
  readonly accumulator: A | undefined;
  /** Time of its newest change, ms UTC. */
  readonly timestamp: number;
  /** Rows with times up to this belong to an expired group, ms UTC. */
  readonly after: number;
}

function rowOfGroup<A>(cell: GroupCell<A> | undefined): TableRow<A> | undefined {
  return cell?.accumulator === undefined
    ? undefined
    : { value: cell.accumulator, timestamp: cell.timestamp };
}

/** Bytes of a cell: f64 timestamp · f64 after · u32 1 and the accumulator, or 0. */
function groupStore<K, A>(
  name: string,
  key: Serde<K>,
  given: Serde<A>,
): StoreSpec<K, GroupCell<A>> {
  const value = faithful(given);
  return {
    name,
    kind: 'key-value',
    key,
    format: `expiring-group(${value.format})`,
    write: ({ accumulator, timestamp, after }, to) => {
      to.float64(timestamp);
      to.float64(after);
      to.uint32(accumulator === undefined ? 0 : 1);
      if (accumulator !== undefined) encodeTo(value, accumulator, to);
    },
    decode: (bytes, start, end) => ({
      timestamp: bytes.readDoubleLE(start),
      after: bytes.readDoubleLE(start + 8),
      accumulator:
        bytes.readUInt32LE(start + 16) === 1 ? value.decode(bytes, start + 20, end) : undefined,
    }),
    isFixed: ({ accumulator }) => typeof accumulator !== 'object' || accumulator === null,
    rows: (cell, k) => {
      const row = rowOfGroup(cell);
      return row === undefined ? [] : [{ key: k, ...row }];
    },
  };
}

export function expiringGroup<K, V, A>(
  name: string,
  ttlMs: number,
  aggregate: SubtractableAggregate<V, A>,
  key: Serde<K>,
  value: Serde<A>,
): { readonly step: Step; readonly getter: TableGetter<A> } {
  const store = expiringStore(groupStore(name, key, value), ttlMs);
  const step: Step = {
    kind: 'aggregate-table',
    name,
    detail: { ttlMs },
    stores: [store],
    build: (context) => [groupReceiver(name, ttlMs, aggregate, store as never, context)],
  };
  const getter = tableGetter<A>([store], (context) => {
    const cells = context.cells<GroupCell<A>>(store as never);
    const changing = underWay<A>(cells as never);
    return (_, isAhead) => {
      if (isAhead?.(changing as UnderWay) === true) return changing.before;
      return rowOfGroup(cells.get());
    };
  });
  return { step, getter: livingGetter(getter, ttlMs) };
}

function groupReceiver<V, A>(
  name: string,
  ttlMs: number,
  aggregate: SubtractableAggregate<V, A>,
  store: StoreSpec<never, GroupCell<A>>,
  context: BuildContext,
): AnyReceiver {
  const expiry = new RowExpiry({ ttlMs, store, context, rowOf: rowOfGroup });
  const { cells } = expiry;
  const next = context.output(0);
  const changing = underWay<A>(cells as never);
  return {
    receive: (key, change, timestamp) => {
      const { left, leftAt, came } = change as GroupChange<V>;
      const now = expiry.advance(timestamp);
      const found = cells.get();
      const isThere = found !== undefined && !expiry.isOver(found.timestamp, now);
      const after = isThere ? found.after : now - ttlMs;
      const isCounted = left !== undefined && isThere && (leftAt ?? timestamp) > after;
      const added = came !== undefined && timestamp > after ? came : undefined;
      if (came !== undefined && added === undefined) context.task.drop(name, 'expired');
      if (!isCounted && added === undefined) return;
      const cell = expiry.living(key, now);
      let accumulator: A | null | undefined = cell?.accumulator;
      if (isCounted) accumulator = aggregate.subtract(accumulator ?? aggregate.init(), left);
      if (added !== undefined) {
        accumulator = aggregate.add(accumulator ?? aggregate.init(), added, timestamp);
      }
      const newest = Math.max(timestamp, cell?.timestamp ?? timestamp);
      const kept = present(accumulator) ? accumulator : undefined;
      cells.put({ accumulator: kept, timestamp: newest, after });
      const before = rowOfGroup(cell);
      if (kept === undefined && before === undefined) return;
      changing.tell(before, next, key, kept ?? null, newest);
    },
  };
}
