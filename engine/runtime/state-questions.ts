/** Queries of state. If a query meets damage, the state is restored. */
import { isMillraceError } from '../base/errors.ts';

/** Repeats work after the tasks were reopened; undefined if that was aborted. */
type Survive = <T>(work: () => Promise<T>) => Promise<T | undefined>;

export class StateQuestions {
  readonly #survive: Survive;
  #cycling = 0;
  /** Damage to be handled by the next cycle. */
  #damage: unknown;

  constructor(survive: Survive) {
    this.#survive = survive;
  }

  /**
   * Runs a query. If cycles run, they restore damaged state and the query fails; otherwise it is
   * repeated after the restore.
   */
  async ask<T>(question: () => Promise<T>): Promise<T> {
    try {
      return await question();
    } catch (error) {
      if (!isMillraceError(error, 'STATE_CORRUPT')) throw error;
      if (this.#cycling > 0) {
        this.#damage = error;
        throw error;
      }
      let met: unknown = error;
      const again = () => {
        const first = met;
        met = undefined;
        return first === undefined ? question() : Promise.reject(first);
      };
      const answer = await this.#survive(again);
      if (answer === undefined) throw error;
      return answer;
    }
  }

  async whileCycling<T>(work: () => Promise<T>): Promise<T> {
    this.#cycling++;
    try {
      return await work();
    } finally {
      this.#cycling--;
    }
  }

  /** Throws damage that a query has met, once. */
  throwDamage(): void {
    const damage = this.#damage;
    this.#damage = undefined;
    if (damage !== undefined) throw damage;
  }
}
