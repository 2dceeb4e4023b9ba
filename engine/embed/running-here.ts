/** The application of this process for questions, available once its runtime exists. */
import type { Observer } from '../base/events.ts';
import type { RowMappings } from '../connect/row-mapping.ts';
import { HttpProcesses } from '../http/processes.ts';
import type { Log } from '../log/log.ts';
import { Owners } from '../runtime/owners.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { TableQuestions } from '../runtime/table-questions.ts';
import { TopicTails } from '../runtime/topic-tail.ts';
import type { Running } from './execution-options.ts';

export class RunningHere {
  readonly #application: string;
  readonly #mappings: RowMappings | undefined;
  readonly #observe: (observer: Observer) => void;
  /** The address at which other processes reach this one. */
  address: string | undefined;
  log: Log | undefined;
  runtime: Runtime | undefined;
  #running: Running | undefined;

  /** @param observe has an observer told of everything from then on */
  constructor(
    application: string,
    mappings: RowMappings | undefined,
    observe: (observer: Observer) => void,
  ) {
    this.#application = application;
    this.#mappings = mappings;
    this.#observe = observe;
  }

  get running(): Running | undefined {
    const { runtime, log, address } = this;
    if (runtime === undefined || log === undefined) return undefined;
    if (this.#running !== undefined) return this.#running;
    const application = this.#application;
    const owners = new Owners(log, application);
    const others = address === undefined ? undefined : new HttpProcesses(owners, address);
    this.#running = {
      ...{ runtime, log, application, owners, others, mappings: this.#mappings },
      tables: new TableQuestions({ local: runtime.tasks, others }),
      tails: this.#tailsOf(log),
    };
    return this.#running;
  }

  /** Tails that are notified of each commit of this process. */
  #tailsOf(log: Log): TopicTails {
    const tails = new TopicTails(log);
    this.#observe({
      on: (name) => {
        if (name === 'cycleCommitted') tails.committed();
      },
    });
    return tails;
  }
}
