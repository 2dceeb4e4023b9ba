/** Sealed changes of a task's stores, kept until the log has them. */
import { assert, must } from '../base/assert.ts';
import type { StoreNumbers } from './numbers.ts';
import type { StoreState } from './store-state.ts';

/** A store that changed, and the numbers of its entries when it was sealed. */
export interface SealedChanges {
  readonly state: StoreState;
  readonly numbers: StoreNumbers;
}

interface Sealed {
  readonly commitId: number;
  readonly stores: readonly SealedChanges[];
}

/** In the order of their commits. */
export class SealedWork {
  readonly #sealed: Sealed[] = [];

  get isEmpty(): boolean {
    return this.#sealed.length === 0;
  }

  add(commitId: number, stores: readonly SealedChanges[]): void {
    if (stores.length === 0) return;
    // Not compared with the last commit: on a log that keeps no ids, they restart with each run.
    assert(
      commitId > (this.#sealed.at(-1)?.commitId ?? 0),
      'changes of one commit are sealed at once',
    );
    this.#sealed.push({ commitId, stores });
  }

  /**
   * Call when the log has committed the changes sealed up to `commitId`.
   * @param ends the offset after the last changelog record, by store that changed
   * @param now wall time, ms UTC
   */
  committed(commitId: number, ends: ReadonlyMap<string, number>, now: number): void {
    while ((this.#sealed[0]?.commitId ?? Number.POSITIVE_INFINITY) <= commitId) {
      for (const { state, numbers } of (this.#sealed.shift() as Sealed).stores) {
        const { name } = state.spec;
        const end = must(ends.get(name), `no changelog position for store ${name}`);
        state.committed(commitId, numbers, end, now);
      }
    }
  }
}
