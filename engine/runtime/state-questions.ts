/** Questions about state, and what becomes of damage that they meet: the state is restored. */
import { isMillraceError } from '../base/errors.ts';

/** Does work again after tasks were opened anew; undefined when that was broken off. */
type Survive = <T>(work: () => Promise<T>) => Promise<T | undefined>;

export class StateQuestions {
  readonly #survive: Survive;
  #cycling = 0;
  /** Damage that waits for the next cycle. */
  #damage: unknown;

  constructor(survive: Survive) {
    this.#survive = survive;
  }

  /**
   * Where cycles run they restore damaged state, and the question fails; else it is asked again.
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

  /** Throws damage that a question has met, once. */
  throwDamage(): void {
    const damage = this.#damage;
    this.#damage = undefined;
    if (damage !== undefined) throw damage;
  }
}
