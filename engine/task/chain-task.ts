/** The interface of a task for its linked steps. */
import type { World } from '../base/world.ts';
import type { AnyReceiver, GlobalRow, Resume, TaskContext } from '../graph/processor.ts';
import type { Cells, KeyedBy } from '../graph/store-spec.ts';
import type { Sink } from '../graph/topic.ts';
import type { Headers } from '../record/headers.ts';
import type { AtHand } from './at-hand.ts';

/** A step, for error messages. */
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
/** Properties of the current unit of work. */
type AtHandOnly = 'bySource' | 'partition' | 'place' | 'stand' | 'streamTime';

export interface ChainTask extends Omit<TaskContext, OwnWay | AtHandOnly> {
  readonly hand: AtHand;
  /** How far time has passed for every step of each level, and without records; ms UTC. */
  readonly time: {
    readonly levels: readonly { readonly passed: number }[];
    readonly idleClock: number;
  };
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
  /** The same for work that time causes, independent of the current record. */
  guardTimer(place: Place, inner: AnyReceiver): AnyReceiver;
  /** Suspends the current record, to continue with it later in the same run. */
  suspend(place: Place): Resume;
}

/** The calls that tracing may wrap (tracing.ts); otherwise they are the task's own. */
export interface Ways
  extends Pick<ChainTask, 'guard' | 'guardTimer' | 'enterKey' | 'suspend' | 'emit'> {
  /** Wraps the receiver of a topic's records. */
  entry?(topic: string, inner: AnyReceiver): AnyReceiver;
}
