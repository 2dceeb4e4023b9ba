/** Prints the address of a process when it serves requests; earlier requests are refused. */
import type { Observer } from '../base/events.ts';

/** During a long restore the address is needed before the end. */
const latestMs = 3_000;

/** Prints its lines once: when all tasks are open, or after three seconds. */
export class Announcement {
  /** Observes when the tasks are open. */
  readonly observer: Observer;
  readonly #lines: readonly string[];
  readonly #write: (text: string) => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(lines: readonly string[], write: (text: string) => void) {
    this.#lines = lines;
    this.#write = write;
    let isStarted = false;
    /** Tasks that are being opened; unknown before the first assignment. */
    let left: number | undefined;
    this.observer = {
      on: (name, event) => {
        if (name === 'runtimeStarted') isStarted = true;
        else if ('opening' in event) left = event.opening;
        else return;
        if (isStarted && left === 0) this.#tell();
      },
    };
    this.#timer = setTimeout(() => this.#tell(), latestMs);
  }

  /** Prints nothing from now on. */
  cancel(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #tell(): void {
    if (this.#timer === undefined) return;
    this.cancel();
    for (const line of this.#lines) this.#write(`${line}\n`);
  }
}
