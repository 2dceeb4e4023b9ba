/**
 * Links a graph into processors. The path of a record is decided here, once: an output with no
 * consumer, one, or many gets its own kind of receiver, so nothing is decided per record.
 */
import { must } from '../base/assert.ts';
import type { Topology } from '../graph/graph.ts';
import type { GraphNode, StepNode } from '../graph/node.ts';
import {
  type AnyReceiver,
  type BuildContext,
  discards,
  type TimedStep,
} from '../graph/processor.ts';
import { inputsOf, isRepartition, type SubTopology } from '../graph/sub-topology.ts';
import type { TimeLevels } from '../graph/time-levels.ts';
import { repartitionTopic } from '../graph/topic-names.ts';
import type { ChainTask, Place, Ways } from './chain-task.ts';
import { StepContext } from './step-context.ts';

export interface Chain {
  /** Receivers of the sources' records, in the order of the sub-topology's sources. */
  readonly entries: readonly AnyReceiver[];
  /** Steps that act when time passes, upstream first. */
  readonly timed: readonly TimedStep[];
  /** Their names, and the levels by which they go (graph/time-levels.ts). */
  readonly timedNames: readonly string[];
  readonly timedLevels: readonly number[];
  /** Steps that act on the wall clock, upstream first. */
  readonly wall: readonly WallStep[];
  /** Steps that wait for outside services, upstream first. */
  readonly settle: readonly (() => Promise<void>)[];
  /** Steps that emit before a commit, upstream first. */
  readonly release: readonly (() => void)[];
}

export interface WallStep {
  /** Its interval, ms. */
  readonly everyMs: number;
  readonly tick: (now: number) => void;
  /** The level that its time follows. */
  readonly level: number;
}

/** A step's request to be called. */
interface Asked<Call> {
  readonly node: number;
  readonly call: Call;
}

function upstreamFirst<Call>(asked: Asked<Call>[]): Call[] {
  return asked.sort((a, b) => a.node - b.node).map(({ call }) => call);
}

class FanOut implements AnyReceiver {
  readonly #targets: readonly AnyReceiver[];

  constructor(targets: readonly AnyReceiver[]) {
    this.#targets = targets;
  }

  receive(key: unknown, value: unknown, timestamp: number, old?: unknown): void {
    for (const target of this.#targets) target.receive(key, value, timestamp, old);
  }
}

export function buildChain(
  topology: Topology,
  part: SubTopology,
  task: ChainTask,
  times: TimeLevels,
  ways: Ways = task,
): Chain {
  return new ChainBuilder(topology, task, times, ways).build(part);
}

class ChainBuilder {
  readonly #topology: Topology;
  readonly #task: ChainTask;
  readonly #times: TimeLevels;
  readonly #ways: Ways;
  readonly #receivers = new Map<number, readonly AnyReceiver[]>();
  readonly #timed: Asked<TimedStep>[] = [];
  readonly #wall: Asked<WallStep>[] = [];
  readonly #settle: Asked<Chain['settle'][number]>[] = [];
  readonly #release: Asked<Chain['release'][number]>[] = [];

  constructor(topology: Topology, task: ChainTask, times: TimeLevels, ways: Ways) {
    this.#topology = topology;
    this.#task = task;
    this.#times = times;
    this.#ways = ways;
  }

  build(part: SubTopology): Chain {
    const { nodes } = this.#topology;
    // A consumer has a greater number than its input, so in reverse order it is built first.
    for (const id of [...part.nodes].reverse()) {
      const node = nodes[id] as GraphNode;
      if (node.type === 'source') continue;
      const receivers =
        node.type === 'sink' ? [sinkReceiver(node, this.#ways)] : this.#stepReceivers(node);
      this.#receivers.set(id, receivers);
    }
    return {
      entries: part.sources.map(({ node, topic }) => {
        const first = this.#entry(node, topic.name);
        return this.#ways.entry?.(topic.name, first) ?? first;
      }),
      timed: upstreamFirst(this.#timed),
      timedNames: this.#timed.map(({ node }) => (nodes[node] as StepNode).step.name),
      timedLevels: this.#timed.map(({ node }) => this.#level(node)),
      wall: upstreamFirst(this.#wall),
      settle: upstreamFirst(this.#settle),
      release: upstreamFirst(this.#release),
    };
  }

  #level(node: number): number {
    const { levels, levelOf } = this.#times;
    return levelOf.get(node) ?? levels.length - 1;
  }

  #output(from: number, port: number): AnyReceiver {
    const targets = this.#topology.nodes.flatMap((node) =>
      inputsOf(node).flatMap((input, i) =>
        input.node === from && input.port === port ? [this.#receiver(node, i)] : [],
      ),
    );
    if (targets.length > 1) return new FanOut(targets);
    return targets[0] ?? discards;
  }

  #receiver(node: GraphNode, input: number): AnyReceiver {
    return this.#receivers.get(node.id)?.[input] ?? discards;
  }

  /**
   * Null values of a topic go to the steps that accept them; for the others they are dropped and
   * counted once.
   */
  #entry(source: number, topic: string): AnyReceiver {
    const task = this.#task;
    const consumers = this.#topology.nodes.flatMap((node) =>
      inputsOf(node).flatMap((input, i) => (input.node === source ? [{ node, i }] : [])),
    );
    const takes = consumers.map(({ node }) => node.type === 'step' && node.step.nulls === true);
    if (takes.every((yes) => yes)) return this.#output(source, 0);
    const firstWithout = takes.indexOf(false);
    const targets = consumers.map(({ node, i }, n): AnyReceiver => {
      const inner = this.#receiver(node, i);
      if (takes[n]) return inner;
      return {
        receive: (key, value, timestamp, old) => {
          if (value !== null) inner.receive(key, value, timestamp, old);
          else if (n === firstWithout) task.drop(topic, 'null_value');
        },
      };
    });
    return targets.length === 1 ? (targets[0] as AnyReceiver) : new FanOut(targets);
  }

  #stepReceivers(node: StepNode): readonly AnyReceiver[] {
    const place: Place = { step: node.step.name, callSite: node.callSite };
    const receivers = node.step.build(this.#contextOf(node, place));
    return receivers.map((inner) => this.#ways.guard(place, inner));
  }

  #contextOf(node: StepNode, place: Place): BuildContext {
    const { id, step } = node;
    const [task, ways] = [this.#task, this.#ways];
    const cut = isRepartition(node);
    return {
      task: new StepContext(task, place, this.#level(id), ways),
      cells: <C>(spec: { readonly name: string }) => task.cells<C>(spec.name),
      globalRow: (topic, keyText) => task.globalRow(topic, keyText),
      output: (port) => (cut ? discards : this.#output(id, port)),
      onTime: (one) => this.#timed.push({ node: id, call: one }),
      onWallClock: (tick) => {
        const everyMs = must(step.wallClockMs, () => `${step.name} does not say its wallClockMs`);
        this.#wall.push({ node: id, call: { everyMs, tick, level: this.#level(id) } });
      },
      timer: (inner) => ways.guardTimer(place, inner),
      suspend: () => ways.suspend(place),
      onSettle: (wait) => this.#settle.push({ node: id, call: wait }),
      onCommit: (say) => this.#release.push({ node: id, call: say }),
      world: task.world,
    };
  }
}

function sinkReceiver(node: GraphNode & { type: 'sink' }, ways: Ways): AnyReceiver {
  const { topic, callSite } = node;
  return {
    receive: (key, value, timestamp) =>
      ways.emit(topic, key as never, value as never, timestamp, undefined, callSite),
  };
}

/** Logical name of each repartition topic -> its name in the log. */
export function repartitionNames(
  topology: Topology,
  application: string,
): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const node of topology.nodes) {
    if (node.type !== 'step' || node.step.repartition === undefined) continue;
    names.set(node.step.repartition.topic.name, repartitionTopic(application, node.step.name));
  }
  return names;
}

/** Call sites of the steps, by the name of their stores. */
export function callSitesOf({ nodes }: Topology): ReadonlyMap<string, string> {
  return new Map(
    nodes.flatMap((node) =>
      node.type === 'step' ? node.step.stores.map(({ name }) => [name, node.callSite]) : [],
    ),
  );
}
