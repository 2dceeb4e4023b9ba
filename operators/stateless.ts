/**
 * Stateless steps that process one record at a time. On the edges of a table they also see
 * deletions (value null); `filter` and `map` of a table are in table-steps.ts.
 */
import { refusePromise, synchronous } from '../engine/base/promises.ts';
import { aFunction, anObject, checkSetting, refuseSetting } from '../engine/base/settings.ts';
import type { Step } from '../engine/graph/node.ts';
import type { AnyReceiver, BuildContext } from '../engine/graph/processor.ts';

/** A step without state: `make` gets the next receiver and returns the step's own. */
function stateless(
  kind: string,
  make: (next: AnyReceiver, context: BuildContext) => AnyReceiver['receive'],
): Step {
  return {
    kind,
    name: kind,
    stores: [],
    build: (context) => [{ receive: make(context.output(0), context) }],
  };
}

export function filterStep<K, V>(predicate: (value: V, key: K) => boolean): Step {
  checkSetting('filter.predicate', predicate, aFunction);
  const passes = synchronous(predicate, "filter's function");
  return stateless('filter', (next) => (key, value, timestamp) => {
    if (passes(value as V, key as K)) next.receive(key, value, timestamp);
  });
}

export function mapStep<K, V, W>(fn: (value: V, key: K, timestamp: number) => W): Step {
  checkSetting('map.fn', fn, aFunction);
  const map = synchronous(fn, "map's function");
  return stateless('map', (next) => (key, value, timestamp) => {
    next.receive(key, map(value as V, key as K, timestamp), timestamp);
  });
}

export function flatMapStep<K, V, W>(fn: (value: V, key: K) => Iterable<W>): Step {
  checkSetting('flatMap.fn', fn, aFunction);
  const map = synchronous(fn, "flatMap's function");
  return stateless('flat-map', (next) => (key, value, timestamp) => {
    const items = map(value as V, key as K);
    if (!Array.isArray(items)) refuseAsync(items);
    for (const item of items) {
      if (typeof item === 'object') refusePromise(item, "flatMap's function");
      next.receive(key, item, timestamp);
    }
  });
}

/** Refuses an async generator, which is not a promise but yields promises. */
function refuseAsync(items: unknown): void {
  if (typeof items !== 'object' || items === null || !(Symbol.asyncIterator in items)) return;
  if (Symbol.iterator in items) return;
  throw new TypeError(
    "flatMap's function answered an async iterable: use asyncMap for what has to be awaited",
  );
}

export function peekStep<K, V>(fn: (value: V, key: K, timestamp: number) => void): Step {
  checkSetting('peek.fn', fn, aFunction);
  const look = synchronous(fn, "peek's function");
  return stateless('peek', (next) => (key, value, timestamp) => {
    look(value as V, key as K, timestamp);
    next.receive(key, value, timestamp);
  });
}

/** Joins streams of one type; records of a task keep the order of their timestamps. */
export function mergeStep(inputs: number): Step {
  return {
    kind: 'merge',
    name: 'merge',
    stores: [],
    build: (context) => {
      const next = context.output(0);
      return Array.from({ length: inputs }, () => next);
    },
  };
}

/** Sends each record to the first output whose predicate holds; the last output takes the rest. */
export function splitStep<K, V>(branches: Record<string, (value: V, key: K) => boolean>): Step {
  checkSetting('split.branches', branches, anObject);
  for (const [branch, predicate] of Object.entries(branches)) {
    checkSetting(`split.${branch}`, predicate, aFunction);
    if (branch === 'otherwise') {
      refuseSetting('split.otherwise', 'is the branch of what no other one takes: rename it');
    }
    if (/^\d+$/.test(branch)) {
      const problem = 'JavaScript puts fields that are numbers first, so their order would be lost';
      refuseSetting(`split.${branch}`, `${problem}: give the branch a name`);
    }
  }
  const names = Object.keys(branches);
  const predicates = Object.values(branches).map((of) => synchronous(of, "split's function"));
  return {
    kind: 'split',
    name: 'split',
    detail: { branches: [...names, 'otherwise'] },
    stores: [],
    build: (context) => {
      const outputs = [...names, 'otherwise'].map((_, i) => context.output(i));
      return [
        {
          receive: (key, value, timestamp) => {
            const hit = predicates.findIndex((predicate) => predicate(value as V, key as K));
            outputs[hit < 0 ? predicates.length : hit]?.receive(key, value, timestamp);
          },
        },
      ];
    },
  };
}
