/** An operator from outside the engine: every n-th record of a key. */
import { int64 } from 'millrace';
import {
  cellStore,
  checkSettings,
  count,
  defineStep,
  type StepOf,
  type StoreSpec,
} from 'millrace/steps';

/**
 * Lets every n-th record of a key through. The count is part of the state, so it goes on after a
 * restart. Records with a null key or a null value are dropped and counted.
 * @param name names the store; unique in the topology
 * @param n from 1; 1 lets all records through
 * @throws CONFIG_INVALID when `n` is not a whole number from 1
 */
export function everyNth<K, V>(name: string, n: number): StepOf<K, V, V> {
  checkSettings(name, { n }, { n: count(1) });
  return defineStep<K, V, V, { readonly seen: StoreSpec<K, number> }>({
    kind: 'every-nth',
    name,
    detail: { n },
    stores: ({ key }) => ({ seen: cellStore({ name, key, cell: int64 }) }),
    value: ({ value }) => value,
    build: ({ stores: { seen }, forward }) => ({
      record: (key, value, timestamp) => {
        const many = (seen.get() ?? 0) + 1;
        if (many < n) {
          seen.put(many);
          return;
        }
        seen.remove();
        forward(key, value, timestamp);
      },
    }),
  });
}
