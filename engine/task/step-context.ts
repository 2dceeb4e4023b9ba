/**
 * A step's view of its task. It passes the step to the task where needed: an error while time
 * releases results belongs to the step, not to the current record.
 */
import type { DropReason } from '../base/events.ts';
import type { TaskContext } from '../graph/processor.ts';
import type { KeyedBy } from '../graph/store-spec.ts';
import type { Sink } from '../graph/topic.ts';
import type { Headers } from '../record/headers.ts';
import { unknown } from '../time/watermark.ts';
import type { AtHand } from './at-hand.ts';
import type { ChainTask, Place, Ways } from './chain-task.ts';

export class StepContext implements TaskContext {
  readonly partition: number;
  readonly bySource: boolean;
  readonly #hand: AtHand;
  readonly #task: ChainTask;
  readonly #place: Place;
  readonly #ways: Ways;
  readonly #level: number;

  /** @param level by which the step's time goes */
  constructor(task: ChainTask, place: Place, level: number, ways: Ways = task) {
    this.#task = task;
    this.#place = place;
    this.#ways = ways;
    this.#level = level;
    this.#hand = task.hand;
    this.partition = task.hand.partition;
    this.bySource = task.hand.bySource;
  }

  get keyText(): string {
    return this.#hand.keyText;
  }

  get keyId(): string {
    return this.keyText;
  }

  get origin(): TaskContext['origin'] {
    return this.#hand.origin;
  }

  get streamTime(): number {
    return this.#hand.streamTime;
  }

  get stand(): number {
    return this.#hand.frame.stand;
  }

  set stand(stand: number) {
    this.#hand.frame.stand = stand;
  }

  get place(): TaskContext['place'] {
    return this.#hand.frame.place;
  }

  set place(place: TaskContext['place']) {
    this.#hand.frame.place = place;
  }

  get passedTime(): number {
    return this.#task.time.levels[this.#level]?.passed ?? unknown;
  }

  get idleClock(): number {
    return this.#task.time.idleClock;
  }

  headers(): Headers {
    return this.#task.headers();
  }

  headerBytes(): Uint8Array {
    return this.#task.headerBytes();
  }

  withHeaders(headers: Uint8Array, body: () => void): void {
    this.#task.withHeaders(headers, body);
  }

  enter<K>(keyText: string, spec: KeyedBy<K>, body: (key: K) => void): void {
    this.#ways.enterKey(this.#place, keyText, spec, body);
  }

  enterUndecoded(keyText: string, body: () => void): void {
    this.#ways.enterKey(this.#place, keyText, undefined, body);
  }

  enterId(keyText: string, body: () => void): void {
    this.enterUndecoded(keyText, body);
  }

  drop(step: string, reason: DropReason): void {
    this.#task.drop(step, reason);
  }

  deadLetter(step: string, reason: string): void {
    this.#task.deadLetter(step, reason, this.#place.callSite);
  }

  touch(): boolean {
    return this.#task.touch();
  }

  onUndo(undo: () => void): void {
    this.#task.onUndo(undo);
  }

  emit<K, V>(
    sink: Sink<K, V>,
    key: K,
    value: V | null,
    timestamp: number,
    headers?: Headers,
  ): void {
    this.#ways.emit(sink, key, value, timestamp, headers, this.#place.callSite);
  }
}
