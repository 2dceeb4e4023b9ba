/**
 * Links a graph into processors. The path of a record is decided here, once: an output with no
 * consumer, one, or many gets its own kind of receiver, so nothing is decided per record.
 */
import { must } from '../base/assert.ts';
import type { Topology } from '../graph/graph.ts';
import type { GraphNode, StepNode } from '../graph/node.ts';
import type { AnyReceiver, BuildContext, TimedStep } from '../graph/processor.ts';
import { inputsOf, isRepartition, type SubTopology } from '../graph/sub-topology.ts';
import { repartitionTopic } from '../graph/topic-names.ts';
import type { ChainTask, Place, Ways } from './chain-task.ts';
import { StepContext } from './step-context.ts';

export interface Chain {
  /** Receivers of the sources' records, in the order of the sub-topology's sources. */
  readonly entries: readonly AnyReceiver[];
  /** Steps that act when time passes, upstream first. */
  readonly timed: readonly TimedStep[];
  /** Their names. */
  readonly timedNames: readonly string[];
  /** Steps that act on the wall clock, upstream first, with their interval, ms. */
  readonly wall: readonly { readonly everyMs: number; readonly tick: (now: number) => void }[];
  /** Steps that wait for outside services, upstream first. */
  readonly settle: readonly (() => Promise<void>)[];
  /** Steps that emit before a commit, upstream first. */
  readonly release: readonly (() => void)[];
}

/** A step's request to be called. */
interface Asked<Call> {
  readonly node: number;
  readonly call: Call;
}

function upstreamFirst<Call>(asked: Asked<Call>[]): Call[] {
  return asked.sort((a, b) => a.node - b.node).map(({ call }) => call);
}

const nowhere: AnyReceiver = { receive() {} };

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
  ways: Ways = task,
): Chain {
  const receivers = new Map<number, readonly AnyReceiver[]>();
  const timed: Asked<TimedStep>[] = [];
  const wall: Asked<Chain['wall'][number]>[] = [];
  const settle: Asked<Chain['settle'][number]>[] = [];
  const release: Asked<Chain['release'][number]>[] = [];
  const output = (from: number, port: number): AnyReceiver => {
    const targets = topology.nodes.flatMap((node) =>
      inputsOf(node).flatMap((input, i) =>
        input.node === from && input.port === port ? [receivers.get(node.id)?.[i] ?? nowhere] : [],
      ),
    );
    if (targets.length > 1) return new FanOut(targets);
    return targets[0] ?? nowhere;
  };
  // A consumer has a greater number than its input, so in reverse order it is built first.
  for (const id of [...part.nodes].reverse()) {
    const node = topology.nodes[id] as GraphNode;
    if (node.type === 'source') continue;
    receivers.set(id, node.type === 'sink' ? [sinkReceiver(node, ways)] : stepReceivers(node));
  }
  return {
    entries: part.sources.map(({ node, topic }) => {
      const first = entry(node, topic.name);
      return ways.entry?.(topic.name, first) ?? first;
    }),
    timed: upstreamFirst(timed),
    timedNames: timed.map(({ node }) => (topology.nodes[node] as StepNode).step.name),
    wall: upstreamFirst(wall),
    settle: upstreamFirst(settle),
    release: upstreamFirst(release),
  };

  /**
   * Null values of a topic go to the steps that accept them; for the others they are dropped and
   * counted once.
   */
  function entry(source: number, topic: string): AnyReceiver {
    const consumers = topology.nodes.flatMap((node) =>
      inputsOf(node).flatMap((input, i) => (input.node === source ? [{ node, i }] : [])),
    );
    const takes = consumers.map(({ node }) => node.type === 'step' && node.step.nulls === true);
    if (takes.every((yes) => yes)) return output(source, 0);
    const firstWithout = takes.indexOf(false);
    const targets = consumers.map(({ node, i }, n): AnyReceiver => {
      const inner = receivers.get(node.id)?.[i] ?? nowhere;
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

  function stepReceivers(node: StepNode): readonly AnyReceiver[] {
    const { id, step } = node;
    const cut = isRepartition(node);
    const place: Place = { step: step.name, callSite: node.callSite };
    const context: BuildContext = {
      task: new StepContext(task, place, ways),
      cells: <C>(spec: { readonly name: string }) => task.cells<C>(spec.name),
      globalRow: (topic, keyText) => task.globalRow(topic, keyText),
      output: (port) => (cut ? nowhere : output(id, port)),
      onTime: (step) => timed.push({ node: id, call: step }),
      onWallClock: (tick) => {
        const everyMs = must(step.wallClockMs, () => `${step.name} does not say its wallClockMs`);
        wall.push({ node: id, call: { everyMs, tick } });
      },
      timer: (inner) => ways.guardTimer(place, inner),
      suspend: () => ways.suspend(place),
      onSettle: (wait) => settle.push({ node: id, call: wait }),
      onCommit: (say) => release.push({ node: id, call: say }),
      world: task.world,
    };
    return step.build(context).map((inner) => ways.guard(place, inner));
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
