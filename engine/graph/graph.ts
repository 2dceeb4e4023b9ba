/**
 * The topology as data: an append-only builder, and the frozen graph it yields. Operators add
 * nodes; nothing runs until a task builds the processors of its part.
 */
import { callSite } from '../base/call-site.ts';
import { refuseSetting } from '../base/settings.ts';
import type { HandledErrors } from './error-handler.ts';
import type {
  GraphNode,
  Port,
  SinkNode,
  SourceNode,
  SourceOptions,
  Step,
  StepNode,
} from './node.ts';
import type { Sink, Source } from './topic.ts';
import { validate } from './validate-graph.ts';
import type { TableView } from './view.ts';

export interface Topology<out E = unknown> {
  readonly name: string;
  readonly nodes: readonly GraphNode[];
  /** Topics of global tables, which every task has completely. */
  readonly globals: readonly Source<unknown, unknown>[];
  /** Tables without a store of their own, by name. */
  readonly views: ReadonlyMap<string, TableView>;
  /** The author's error handlers. */
  readonly errorHandlers: readonly HandledErrors[];
  /** The result of `define`: handles for the driver and for queries. */
  readonly exports: E;
  /** True if each step's time follows its records, also behind a keyBy, as in Kafka Streams. */
  readonly asKafkaStreams?: true;
}

export interface TopologySettings {
  /**
   * Time behind a `keyBy` as in Kafka Streams 4.1: a step's time is the greatest timestamp it has
   * seen, so records of one upstream task can make those of others late. For comparisons only.
   */
  readonly asKafkaStreams?: boolean;
}

export class GraphBuilder {
  readonly #name: string;
  readonly #settings: TopologySettings;
  readonly #nodes: GraphNode[] = [];
  readonly #globals: Source<unknown, unknown>[] = [];
  readonly #views = new Map<string, TableView>();
  readonly #errorHandlers: HandledErrors[] = [];
  #isBuilt = false;

  constructor(name: string, settings: TopologySettings = {}) {
    this.#name = name;
    this.#settings = settings;
  }

  source<K, V>(topic: Source<K, V>, options: SourceOptions = {}): Port {
    const node: SourceNode = {
      type: 'source',
      id: this.#nodes.length,
      topic,
      options,
      callSite: callSite(),
    };
    return this.#add(node);
  }

  /** Adds an error handler; the last one for a step, or for all steps, applies. */
  onError(handled: HandledErrors): void {
    this.#errorHandlers.push(handled);
  }

  /** Makes a topic a global table; steps read it by the topic's name. */
  global<K, V>(topic: Source<K, V>): void {
    if (!this.#globals.some(({ name }) => name === topic.name)) this.#globals.push(topic);
  }

  /** Adds a step after `inputs`; returns its output 0. Output n is `{ ...port, port: n }`. */
  step(step: Step, inputs: readonly Port[]): Port {
    const node: StepNode = {
      type: 'step',
      id: this.#nodes.length,
      step: Object.freeze(step),
      inputs,
      callSite: callSite(),
    };
    return this.#add(node);
  }

  /** Adds a table that keeps no rows; returns its name. */
  view(view: TableView): string {
    this.#views.set(view.name, view);
    return view.name;
  }

  sink<K, V>(topic: Sink<K, V>, input: Port): void {
    const node: SinkNode = {
      type: 'sink',
      id: this.#nodes.length,
      topic: topic as Sink<never, never>,
      input,
      callSite: callSite(),
    };
    this.#add(node);
  }

  /**

   * Returns the finished topology.
   * @throws TOPOLOGY_INVALID that lists every problem with its line */
  build<E>(exports: E): Topology<E> {
    const topology = Object.freeze({
      name: this.#name,
      nodes: Object.freeze([...this.#nodes]),
      globals: Object.freeze([...this.#globals]),
      views: new Map(this.#views),
      errorHandlers: Object.freeze([...this.#errorHandlers]),
      exports,
      ...(this.#settings.asKafkaStreams === true ? { asKafkaStreams: true as const } : {}),
    });
    validate(topology);
    this.#checkHandlers();
    this.#isBuilt = true;
    return topology;
  }

  /** Refuses handlers of unknown steps, which would never be called. */
  #checkHandlers(): void {
    const names = this.#nodes.map((node) =>
      node.type === 'step' ? node.step.name : node.topic.name,
    );
    const wrong = this.#errorHandlers.find(
      ({ step }) => step !== undefined && !names.includes(step),
    );
    if (wrong === undefined) return;
    const known = [...new Set(names)].join(', ');
    refuseSetting('onError.step', `there is no step or topic ${wrong.step}; there are ${known}`);
  }

  #add(node: GraphNode): Port {
    if (this.#isBuilt) {
      const problem = 'it is built already, and a step that comes now would never run';
      refuseSetting(`topology ${this.#name}`, problem);
    }
    this.#nodes.push(Object.freeze(node));
    return { node: node.id, port: 0 };
  }
}

/** True for what `build` returned, also when it came from another copy of this module. */
export function isTopology(value: unknown): value is Topology {
  if (typeof value !== 'object' || value === null) return false;
  const candidate = value as Partial<Topology>;
  return typeof candidate.name === 'string' && Array.isArray(candidate.nodes);
}
