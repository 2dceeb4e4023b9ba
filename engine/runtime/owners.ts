/**
 * Which process holds which task, on a log that several processes share. Each says so of a task
 * that it has opened, with its next commit, in the cursor topic: one compacted record a task, and
 * the last that is committed is right. docs/decisions/1001-who-holds-a-task.md.
 */
import { randomBytes } from 'node:crypto';
import { cursorTopic } from '../graph/topic-names.ts';
import type { Log } from '../log/log.ts';

/** By which processes of an application know each other: who may read its topics knows it, too. */
const secretCursor = 'processes';
const ownerPrefix = 'owner ';
const secretBytes = 24;

/**
 * Says what this process holds: to be told of each task that it has opened.
 * @param address host:port at which it answers; undefined: it says nothing
 * @param known what the cursor topic has
 * @param cursors what the next commit takes along
 */
export function announcer(
  address: string | undefined,
  known: ReadonlyMap<string, unknown>,
  cursors: Map<string, unknown>,
): (taskId: string) => void {
  if (address === undefined) return () => {};
  if (!known.has(secretCursor)) {
    cursors.set(secretCursor, { secret: randomBytes(secretBytes).toString('base64url') });
  }
  return (taskId) => {
    cursors.set(`${ownerPrefix}${taskId}`, { address });
  };
}
/** What the processes have said, read again when it is asked for. */
export class Owners {
  readonly #log: Log;
  readonly #application: string;
  readonly #addresses = new Map<string, string>();
  #secret: string | undefined;
  #from: number | undefined;
  #reading: Promise<void> | undefined;

  constructor(log: Log, application: string) {
    this.#log = log;
    this.#application = application;
  }

  /** host:port of the process that has opened a task last. */
  addressOf(taskId: string): string | undefined {
    return this.#addresses.get(taskId);
  }

  get secret(): string | undefined {
    return this.#secret;
  }

  /** Takes in what has been committed. */
  async refresh(): Promise<void> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    await this.#reading;
  }

  async #read(): Promise<void> {
    const at = { topic: cursorTopic(this.#application), partition: 0 };
    const end = await this.#log.endOffset(at);
    const start = await this.#log.startOffset(at);
    let from = Math.max(this.#from ?? 0, start);
    while (from < end) {
      const batch = await this.#log.read(at, from, { records: 1_024 });
      if (batch === undefined) break;
      for (let i = 0; i < batch.count; i++) {
        const [key, value] = [batch.key(i), batch.value(i)];
        if (key !== null && value !== null) this.#take(key.toString(), value);
      }
      from = batch.nextOffset;
    }
    this.#from = from;
  }

  #take(name: string, bytes: Buffer): void {
    if (name !== secretCursor && !name.startsWith(ownerPrefix)) return;
    const value = JSON.parse(bytes.toString()) as { secret?: string; address?: string };
    if (name === secretCursor) this.#secret = value.secret;
    else if (value.address !== undefined) {
      this.#addresses.set(name.slice(ownerPrefix.length), value.address);
    }
  }
}
