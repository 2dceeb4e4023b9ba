/**
 * Traces records through steps, topics and state with OpenTelemetry. The host application provides
 * the SDK; if none is registered in this thread, there is no Tracing and no cost.
 *
 *   take: a span for each record that brings a sampled `traceparent`, or begins a trace
 *   step: a span for each step that the record reaches, a child of the previous step's span
 *    topics: output of a traced record has the `traceparent` of the step that wrote it
 *    state: a result that a step releases later, such as a window, is a child span of the last traced
 *           record that contributed, with links to some others
 */
import type { Attributes, Context, Link, Span, SpanContext, Tracer } from '@opentelemetry/api';
import { onDemand } from '../base/on-demand.ts';
import type { Topology } from '../graph/graph.ts';
import type { AnyReceiver, Resume } from '../graph/processor.ts';
import type { KeyedBy } from '../graph/store-spec.ts';
import type { SubTopology } from '../graph/sub-topology.ts';
import type { Sink } from '../graph/topic.ts';
import type { Headers } from '../record/headers.ts';
import type { ChainTask, Place, Ways } from './chain-task.ts';
import { recordRefused } from './failure.ts';

const library = onDemand<typeof import('@opentelemetry/api')>('@opentelemetry/api');

export interface TracingOptions {
  readonly taskId: string;
  /** Names of the steps that keep state. */
  readonly stateful: ReadonlySet<string>;
  /** One in this many of the records without a context starts a trace; 0: none does. */
  readonly every: number;
}

/** The SDK's sampler may take fewer. */
const defaultTraceEvery = 1_000;

/** @param every default 1 000 */
export function tracingOptions(
  taskId: string,
  { nodes }: Pick<Topology, 'nodes'>,
  part: SubTopology,
  every = defaultTraceEvery,
): TracingOptions {
  const steps = part.nodes.flatMap((id) => {
    const node = nodes[id];
    return node?.type === 'step' && node.step.stores.length > 0 ? [node.step.name] : [];
  });
  return { taskId, stateful: new Set(steps), every };
}

/** A traced record, until its commit. */
export interface TracedRecord {
  readonly traceparent: string;
  readonly tracestate?: string;
}

interface Active {
  readonly span: Span;
  readonly context: Context;
}

/** A release of results because time has passed or another record has come. */
interface LetGo {
  readonly step: string;
  readonly keyText: string;
}

/** A traced record that contributed to a step's state. */
interface Made {
  readonly context: SpanContext;
  /** Event time, ms UTC. */
  readonly timestamp: number;
}

/** Maximal number of links of a result. */
const linksMost = 8;
/** Maximal number of keys (per step) whose records are known: the most recent ones. */
const keysMost = 1_000;
/** Maximal number of traced records that a cycle reports. */
const tracedMost = 16;
const traceparentForm = /^00-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})$/;
const traceparentName = 'traceparent';
const tracestateName = 'tracestate';

/** The host application's tracer; undefined if none is registered in this thread. */
export function registeredTracer(): Tracer | undefined {
  const registered = (globalThis as Record<symbol, { readonly trace?: unknown } | undefined>)[
    Symbol.for('opentelemetry.js.api.1')
  ];
  if (registered?.trace === undefined) return undefined;
  try {
    return library().trace.getTracer('millrace');
  } catch {
    // It was registered with a copy of the package that cannot be resolved from here.
    return undefined;
  }
}

/** The context in the headers; undefined if there is none, or it is malformed. */
export function contextIn(headers: Headers): SpanContext | undefined {
  const [, traceId, spanId, flags] = traceparentForm.exec(headers[traceparentName] ?? '') ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  const state = headers[tracestateName];
  const found: SpanContext = {
    ...{ traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true },
    ...(state === undefined ? {} : { traceState: library().createTraceState(state) }),
  };
  return library().isSpanContextValid(found) ? found : undefined;
}

export function headersOf(context: SpanContext): TracedRecord {
  const { traceId, spanId, traceFlags, traceState } = context;
  const flags = traceFlags.toString(16).padStart(2, '0');
  const state = traceState?.serialize();
  const traceparent = `00-${traceId}-${spanId}-${flags}`;
  return state === undefined || state === '' ? { traceparent } : { traceparent, tracestate: state };
}

/** Creates the span of a commit, a child of the span of a record in it. Times are ms UTC. */
export function commitSpan(
  tracer: Tracer,
  record: TracedRecord,
  how: {
    readonly startTime: number;
    readonly endTime: number;
    readonly attributes: Attributes;
  },
): void {
  const parent = contextIn({ ...record });
  if (parent === undefined) return;
  const { ROOT_CONTEXT, trace } = library();
  const { startTime, endTime, attributes } = how;
  const above = trace.setSpanContext(ROOT_CONTEXT, parent);
  tracer.startSpan('commit', { startTime, attributes }, above).end(endTime);
}

export class Tracing implements Ways {
  readonly #task: ChainTask;
  readonly #tracer: Tracer;
  readonly #options: TracingOptions;
  #active: Active | undefined;
  #letGo: LetGo | undefined;
  /** By step and key, the most recently changed last. */
  readonly #made = new Map<string, Made[]>();
  #traced: TracedRecord[] = [];

  constructor(task: ChainTask, tracer: Tracer, options: TracingOptions) {
    this.#task = task;
    this.#tracer = tracer;
    this.#options = options;
  }

  /** Returns some of the traced records of the cycle. */
  takeTraced(): readonly TracedRecord[] {
    const traced = this.#traced;
    if (traced.length > 0) this.#traced = [];
    return traced;
  }

  /** Wraps the receiver of a topic's records. */
  entry(topic: string, inner: AnyReceiver): AnyReceiver {
    const { SpanKind } = library();
    return {
      receive: (key, value, timestamp, old) => {
        const deliver = () => inner.receive(key, value, timestamp, old);
        const parent = this.#incoming();
        if (parent === undefined && !this.#begins()) return deliver();
        const { partition, offset, topic: name } = this.#task.origin;
        const attributes = {
          'messaging.system': 'millrace',
          'messaging.operation.type': 'process',
          'messaging.destination.name': name,
          'messaging.destination.partition.id': String(partition),
          'messaging.kafka.offset': offset,
          'millrace.task': this.#options.taskId,
          'millrace.event_time': timestamp,
        };
        const how = { kind: SpanKind.CONSUMER, attributes, links: [] };
        this.#run(`take ${topic}`, parent, how, () => {
          const context = this.#active?.span.spanContext();
          if (context !== undefined && this.#traced.length < tracedMost) {
            this.#traced.push(headersOf(context));
          }
          deliver();
        });
      },
    };
  }

  guard(place: Place, inner: AnyReceiver): AnyReceiver {
    const isStateful = this.#options.stateful.has(place.step);
    return this.#task.guard(place, {
      receive: (key, value, timestamp, old) => {
        const deliver = () => inner.receive(key, value, timestamp, old);
        this.#asResult(key, () => {
          const active = this.#active;
          if (active === undefined) return deliver();
          this.#step(place.step, active.context, [], () => {
            if (isStateful) this.#note(place.step, timestamp);
            deliver();
          });
        });
      },
    });
  }

  guardTimer(place: Place, inner: AnyReceiver): AnyReceiver {
    return this.#task.guardTimer(place, {
      receive: (key, value, timestamp, old) => {
        const letGo = { step: place.step, keyText: this.#task.keyText };
        this.#with(undefined, letGo, () => inner.receive(key, value, timestamp, old));
      },
    });
  }

  enterKey<K>(
    place: Place,
    keyText: string,
    spec: KeyedBy<K> | undefined,
    body: (key: K) => void,
  ): void {
    const letGo = { step: place.step, keyText };
    const active = keyText === this.#task.keyText ? this.#active : undefined;
    this.#task.enterKey<K>(place, keyText, spec, (key) =>
      this.#with(active, letGo, () => body(key)),
    );
  }

  suspend(place: Place): Resume {
    const [active, letGo] = [this.#active, this.#letGo];
    const resume = this.#task.suspend(place);
    return (body) => resume(() => this.#with(active, letGo, body));
  }

  emit<K, V>(
    sink: Sink<K, V>,
    key: K,
    value: V | null,
    timestamp: number,
    headers?: Headers,
    callSite?: string,
  ): void {
    this.#asResult(key, () => {
      const active = this.#active;
      const all =
        active === undefined
          ? headers
          : { ...(headers ?? this.#task.headers()), ...headersOf(active.span.spanContext()) };
      this.#task.emit(sink, key, value, timestamp, all, callSite);
    });
  }

  /** True if a record without a context starts a trace; the SDK may still decline. */
  #begins(): boolean {
    const { every } = this.#options;
    return every > 0 && this.#task.origin.offset % every === 0;
  }

  /** The context in the current record's headers, if it is sampled. */
  #incoming(): Context | undefined {
    const bytes = this.#task.headerBytes();
    if (bytes.byteLength === 0) return undefined;
    const found = contextIn(this.#task.headers());
    const { ROOT_CONTEXT, trace, TraceFlags } = library();
    if (found === undefined || (found.traceFlags & TraceFlags.SAMPLED) === 0) return undefined;
    return trace.setSpanContext(ROOT_CONTEXT, found);
  }

  /** Runs a release as a span of its own, below the last record that contributed. */
  #asResult(key: unknown, body: () => void): void {
    const letGo = this.#letGo;
    if (letGo === undefined) {
      body();
      return;
    }
    const made = madeIn(key, this.#made.get(nameOf(letGo)) ?? []);
    const { ROOT_CONTEXT, trace } = library();
    const last = made.at(-1)?.context;
    const parent =
      this.#active?.context ??
      this.#incoming() ??
      (last === undefined ? undefined : trace.setSpanContext(ROOT_CONTEXT, last));
    if (parent === undefined) {
      body();
      return;
    }
    const links = made.map(({ context, timestamp }) => {
      return { context, attributes: { 'millrace.event_time': timestamp } };
    });
    this.#step(letGo.step, parent, links, body);
  }

  #step(step: string, parent: Context, links: Link[], body: () => void): void {
    const attributes = { 'millrace.step': step, 'millrace.task': this.#options.taskId };
    const { SpanKind } = library();
    this.#run(`step ${step}`, parent, { kind: SpanKind.INTERNAL, attributes, links }, body);
  }

  #run(
    name: string,
    parent: Context | undefined,
    how: { readonly kind: number; readonly attributes: Attributes; readonly links: Link[] },
    body: () => void,
  ): void {
    const { ROOT_CONTEXT, SpanStatusCode, trace } = library();
    const above = parent ?? ROOT_CONTEXT;
    const span = this.#tracer.startSpan(name, how, above);
    if (!span.isRecording()) {
      this.#with(undefined, undefined, body);
      return;
    }
    try {
      this.#with({ span, context: trace.setSpan(above, span) }, undefined, body);
    } catch (error) {
      if (error !== recordRefused) span.recordException(error as Error);
      span.setStatus({ code: SpanStatusCode.ERROR });
      throw error;
    } finally {
      span.end();
    }
  }

  /** Makes the span active, so that spans of the author's code are its children. */
  #with(active: Active | undefined, letGo: LetGo | undefined, body: () => void): void {
    const before = [this.#active, this.#letGo] as const;
    this.#active = active;
    this.#letGo = letGo;
    try {
      if (active === undefined) body();
      else library().context.with(active.context, body);
    } finally {
      [this.#active, this.#letGo] = before;
    }
  }

  /** Notes that the current record changes the step's state of its key. */
  #note(step: string, timestamp: number): void {
    const context = this.#active?.span.spanContext();
    if (context === undefined) return;
    const name = nameOf({ step, keyText: this.#task.keyText });
    const made = this.#made.get(name) ?? [];
    this.#made.delete(name);
    this.#made.set(name, [...made.slice(1 - linksMost), { context, timestamp }]);
    if (this.#made.size <= keysMost) return;
    for (const oldest of this.#made.keys()) {
      this.#made.delete(oldest);
      break;
    }
  }
}

function nameOf({ step, keyText }: LetGo): string {
  return `${step} ${keyText}`;
}

/** For a window, the records in it; otherwise all. */
function madeIn(key: unknown, made: readonly Made[]): readonly Made[] {
  if (typeof key !== 'object' || key === null) return made;
  const { start, end } = key as { readonly start?: unknown; readonly end?: unknown };
  if (typeof start !== 'number' || typeof end !== 'number') return made;
  // A session ends with its last record.
  return made.filter(({ timestamp }) => timestamp >= start && timestamp <= end);
}
