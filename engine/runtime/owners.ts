/**
 * Which process holds which task, on a shared log. When a process has opened a task, it announces
 * this in the cursor topic with its next commit: one compacted record per task, of which the last
 * committed one is valid. docs/decisions/1001-who-holds-a-task.md.
 */
import { randomBytes } from 'node:crypto';
import { cursorTopic } from '../graph/topic-names.ts';
import type { Log } from '../log/log.ts';

/**
 * Cursor of the secret by which processes of an application authenticate each other: everyone who
 * may read its topics knows it.
 */
const secretCursor = 'processes';
const ownerPrefix = 'owner ';
const secretBytes = 24;

/**
 * Announces the tasks of this process; call the result for each opened task.
 * @param address host:port of this process; undefined: announces nothing
 * @param known content of the cursor topic
 * @param cursors cursors of the next commit
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
/** The announcements of all processes, read again on request. */
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

  /** host:port of the process that last opened a task. */
  addressOf(taskId: string): string | undefined {
    return this.#addresses.get(taskId);
  }

  get secret(): string | undefined {
    return this.#secret;
  }

  /** Reads new committed announcements. */
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
