/** The calls that steps may make: the task's side of their contexts (step-context.ts). */
import { isFatal } from '../base/assert.ts';
import { emptyBytes } from '../base/bytes.ts';
import type { DropReason } from '../base/events.ts';
import type { World } from '../base/world.ts';
import type { AnyReceiver, GlobalRow, Resume } from '../graph/processor.ts';
import type { Cells, KeyedBy } from '../graph/store-spec.ts';
import type { Sink } from '../graph/topic.ts';
import { decodeHeaders, encodeHeaders, type Headers } from '../record/headers.ts';
import { decodeKeyText } from '../serde/serde.ts';
import type { TaskState } from '../state/task-state.ts';
import { instantProblem, isInstant } from '../time/watermark.ts';
import type { AtHand } from './at-hand.ts';
import { repartitionNames } from './chain.ts';
import type { ChainTask, Place } from './chain-task.ts';
import { recordRefused } from './failure.ts';
import type { GlobalTables } from './global-tables.ts';
import { noteOut, noteWrite } from './noted-output.ts';
import type { Outputs } from './outputs.ts';
import { retried } from './retried.ts';
import { Suspension } from './suspension.ts';
import type { TaskClock } from './task-clock.ts';
import type { TaskOptions } from './task-options.ts';
import type { Units } from './units.ts';

export class StepPort implements ChainTask {
  readonly hand: AtHand;
  readonly world: World;
  /** The clock that drives the steps; set once they are linked. */
  declare time: TaskClock;
  readonly #units: Units;
  readonly #state: TaskState;
  readonly #outputs: Outputs;
  readonly #suspension: Suspension;
  readonly #repartitionNames: ReadonlyMap<string, string>;
  readonly #globals: GlobalTables;
  readonly #onError: TaskOptions['onError'];

  constructor(options: TaskOptions, hand: AtHand, units: Units, outputs: Outputs) {
    const { state, world, topology, application, globals, onError } = options;
    this.world = world;
    this.hand = hand;
    this.#units = units;
    this.#state = state;
    this.#outputs = outputs;
    this.#suspension = new Suspension(hand, units, state);
    this.#repartitionNames = repartitionNames(topology, application);
    this.#globals = globals;
    this.#onError = onError;
  }

  get keyText(): string {
    return this.hand.keyText;
  }

  get origin(): { topic: string; partition: number; offset: number } {
    return this.hand.origin;
  }

  headers(): Headers {
    return decodeHeaders(this.hand.headerBytes());
  }

  headerBytes(): Uint8Array {
    const bytes = this.hand.headerBytes();
    return bytes.byteLength === 0 ? emptyBytes : Buffer.from(bytes);
  }

  withHeaders(headers: Uint8Array, body: () => void): void {
    this.hand.withHeaders(headers, body);
  }

  cells<C>(store: string): Cells<C> {
    return this.#state.cells<C>({ name: store });
  }

  globalRow(topic: string, keyText: string): GlobalRow | undefined {
    return this.#globals.row(topic, keyText);
  }

  enterKey<K>(
    place: Place,
    keyText: string,
    spec: KeyedBy<K> | undefined,
    body: (key: K) => void,
  ): void {
    const frame = this.hand.inner();
    if (keyText !== this.hand.keyText) frame.ownsHeaders = false;
    frame.headers = undefined;
    this.#units.apart(place, frame, keyText, () =>
      body((spec === undefined ? undefined : decodeKeyText(spec.key, keyText)) as K),
    );
  }

  drop(step: string, reason: DropReason): void {
    this.#units.drop(step, reason);
  }

  deadLetter(step: string, reason: string, callSite: string): void {
    this.#units.refuse('process', { step, callSite }, new Error(reason));
  }

  touch(): boolean {
    this.#state.touches++;
    return this.#units.undo !== undefined;
  }

  onUndo(undo: () => void): void {
    this.#units.undo?.note(undo);
  }

  emit<K, V>(
    sink: Sink<K, V>,
    key: K,
    value: V | null,
    timestamp: number,
    headers?: Headers,
    callSite = 'unknown',
  ): void {
    const { undo, counters } = this.#units;
    const repartition = this.#repartitionNames.get(sink.name);
    try {
      let bytes = headers === undefined ? this.hand.headerBytes() : encodeHeaders(headers);
      if (!isInstant(timestamp)) throw new RangeError(instantProblem(timestamp));
      const level = this.time.marked.get(sink.name);
      if (level !== undefined) bytes = this.time.marks(level, sink.name, timestamp, bytes);
      const topic = repartition ?? sink.name;
      const batch = this.#outputs.write(topic, sink, key, value, timestamp, bytes);
      if (undo !== undefined) noteWrite(undo, batch);
    } catch (error) {
      if (isFatal(error)) throw error;
      this.#units.refuse('produce', { step: sink.name, callSite }, error);
    }
    this.#state.touches++;
    if (repartition !== undefined) return;
    counters.out++;
    if (undo !== undefined) noteOut(undo, counters);
  }

  guard(place: Place, inner: AnyReceiver): AnyReceiver {
    const reaction = this.#onError.process;
    const units = this.#units;
    if (typeof reaction === 'object') return retried(inner, reaction, () => units.attempt(place));
    return {
      receive: (key, value, timestamp, old) => {
        try {
          inner.receive(key, value, timestamp, old);
        } catch (error) {
          units.note(error, place);
          throw recordRefused;
        }
      },
    };
  }

  guardTimer(place: Place, inner: AnyReceiver): AnyReceiver {
    const hand = this.hand;
    return {
      receive: (key, value, timestamp, old) =>
        hand.beside(() => {
          this.#units.apart(place, hand.inner(), undefined, () =>
            inner.receive(key, value, timestamp, old),
          );
        }),
    };
  }

  suspend(place: Place): Resume {
    return this.#suspension.suspend(place);
  }
}
