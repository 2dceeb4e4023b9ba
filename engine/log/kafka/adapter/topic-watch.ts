/**
 * Looks whether topics are those that were there at the beginning. One that was deleted and made
 * anew in between has other records at the offsets of before: whoever goes on there passes over
 * records, and no broker says so. Where brokers know no ids of topics (before 2.8) nothing is seen.
 */
import { after } from '../../../base/timing.ts';
import { Cluster, type Reach } from '../direct/cluster.ts';
import { metadata } from '../wire/cluster-requests.ts';

/** Between two looks, ms. */
const lookEveryMs = 2_000;

export class TopicWatch {
  readonly #reach: Reach;
  readonly #topics: readonly string[];
  readonly #onRemade: (topic: string) => void;
  readonly #cluster: Cluster;
  #callOff: () => void = () => {};
  #isClosed = false;

  /** @param onRemade told once, of the first */
  constructor(reach: Reach, topics: readonly string[], onRemade: (topic: string) => void) {
    this.#reach = reach;
    this.#topics = topics;
    this.#onRemade = onRemade;
    this.#cluster = new Cluster({ ...reach, needed: [metadata([])] });
  }

  start(): void {
    void this.#look();
  }

  close(): void {
    this.#isClosed = true;
    this.#callOff();
    this.#cluster.close();
  }

  async #look(): Promise<void> {
    const { view, timing } = this.#reach;
    try {
      await this.#cluster.learn(this.#topics);
    } catch {
      // Brokers that are away, or do not let us in, are told of elsewhere.
    }
    if (this.#isClosed) return;
    const remade = this.#topics.find((topic) => view.isRemade(topic));
    if (remade === undefined) {
      this.#callOff = after(timing.scheduler, lookEveryMs, () => void this.#look());
    } else this.#onRemade(remade);
  }
}
