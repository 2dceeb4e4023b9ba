/**
 * Answers questions that take long in threads: one at a time of each kind, with a short queue. A
 * question is dropped when its caller has gone. The thread that runs the tasks and answers HTTP
 * only hands over the records of the log.
 */
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import type { Log } from 'millrace/engine';
import { AnswerThread, moduleAt, type ThreadLimits } from '../../../engine/cli/index.ts';
import type { Feed, Question } from './question-worker.ts';

const worker = moduleAt('topologies/app/questions/question-worker');
const minute = 60_000;
/** Checks and plans take milliseconds, even for a thousand segments. */
const quick: ThreadLimits = { queue: 16, most: minute / 2, memory: 512 };
const long: ThreadLimits = { queue: 4, most: 15 * minute, memory: 2_048 };

type Asking = (port: MessagePort) => Question;

export class QuestionPool {
  readonly #quick = new AnswerThread(worker, quick);
  readonly #long = new AnswerThread(worker, long);

  /** @param signal aborts when the caller has gone */
  ask(question: Question, signal: AbortSignal): Promise<object> {
    return this.#quick.ask(question, [], signal);
  }

  /**
   * Asks a question that needs all records of a topic.
   * @param positions offsets to begin at, by partition; set to the end offsets
   */
  async askOf(
    log: Log,
    topic: string,
    asking: Asking,
    signal: AbortSignal,
    positions: Map<number, number> = new Map(),
  ): Promise<object> {
    const { port1, port2 } = new MessageChannel();
    const ended = new AbortController();
    const either = AbortSignal.any([signal, ended.signal]);
    const fed = feed(batchesOf(log, topic, positions), port1, either);
    try {
      const answered = this.#long.ask(asking(port2), [port2], signal);
      // A log that cannot be read ends the question; reading to the end does not.
      const failed = fed.then(() => new Promise<never>(() => {}));
      return await Promise.race([answered, failed]);
    } finally {
      ended.abort();
      port1.close();
      await fed.catch(() => {});
    }
  }

  /** Ends all questions; returns when the threads have ended. */
  async close(): Promise<void> {
    await Promise.all([this.#quick.close(), this.#long.close()]);
  }
}

/** Sends batches as they are asked for. */
async function feed(batches: ReturnType<typeof batchesOf>, port: MessagePort, signal: AbortSignal) {
  const asked = () =>
    new Promise<boolean>((resolve) => {
      signal.addEventListener('abort', () => resolve(false), { once: true });
      if (signal.aborted) resolve(false);
      port.once('message', () => resolve(true));
    });
  while (await asked()) {
    const { value, done } = await batches.next();
    if (done === true) {
      port.postMessage(null satisfies Feed);
      return;
    }
    port.postMessage(value satisfies Feed, [value.image]);
  }
}

async function* batchesOf(
  log: Log,
  topic: string,
  positions: Map<number, number>,
): AsyncGenerator<NonNullable<Feed>, undefined> {
  const partitions = (await log.topics()).find(({ name }) => name === topic)?.partitions ?? 0;
  for (let partition = 0; partition < partitions; partition++) {
    const at = { topic, partition };
    for (let from = Math.max(positions.get(partition) ?? 0, await log.startOffset(at)); ; ) {
      const batch = await log.read(at, from, { records: 4_000 });
      if (batch === undefined) break;
      // A copy: others may still use what the log has read.
      yield { partition, image: batch.image.slice(0) };
      from = batch.nextOffset;
      positions.set(partition, from);
    }
  }
  return undefined;
}
