/** What the linked steps of a task ask of it, and by which ways. */
import type { World } from '../base/world.ts';
import type { AnyReceiver, GlobalRow, Resume, TaskContext } from '../graph/processor.ts';
import type { Cells, KeyedBy } from '../graph/store-spec.ts';
import type { Sink } from '../graph/topic.ts';
import type { Headers } from '../record/headers.ts';
import type { AtHand } from './at-hand.ts';

/** A step, as errors name it. */
export interface Place {
  readonly step: string;
  readonly callSite: string;
}

type OwnWay =
  | 'enter'
  | 'enterUndecoded'
  | 'keyId'
  | 'enterId'
  | 'deadLetter'
  | 'emit'
  | 'passedTime'
  | 'idleClock';
/** What is read off the unit of work at hand. */
type AtHandOnly = 'bySource' | 'partition' | 'place' | 'stand' | 'streamTime';

export interface ChainTask extends Omit<TaskContext, OwnWay | AtHandOnly> {
  readonly hand: AtHand;
  /** Time has passed up to here for every step, and without records; ms UTC. */
  readonly time: { readonly passed: number; readonly idleClock: number };
  readonly world: World;
  /** As `TaskContext.enter`, for a step. */
  enterKey<K>(
    place: Place,
    keyText: string,
    spec: KeyedBy<K> | undefined,
    body: (key: K) => void,
  ): void;
  deadLetter(step: string, reason: string, callSite: string): void;
  emit<K, V>(
    sink: Sink<K, V>,
    key: K,
    value: V | null,
    timestamp: number,
    headers?: Headers,
    callSite?: string,
  ): void;
  cells<C>(store: string): Cells<C>;
  globalRow(topic: string, keyText: string): GlobalRow | undefined;
  /** Catches what a step throws and lets the error policy decide. */
  guard(place: Place, inner: AnyReceiver): AnyReceiver;
  /** The same for what runs because time has passed: the record at hand has no part in it. */
  guardTimer(place: Place, inner: AnyReceiver): AnyReceiver;
  /** Keeps the record at hand, to go on with it later in the same run. */
  suspend(place: Place): Resume;
}

/** Ways that may be followed by traces (tracing.ts); else they are the task's own. */
export interface Ways
  extends Pick<ChainTask, 'guard' | 'guardTimer' | 'enterKey' | 'suspend' | 'emit'> {
  /** Where records of a topic enter. */
  entry?(topic: string, inner: AnyReceiver): AnyReceiver;
}
