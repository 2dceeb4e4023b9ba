/**
 * Pipelines of several stages, as test/conformance/oracle makes and records them; its README says
 * what a stage does.
 */
import {
  hopping,
  type JoinWindow,
  joinWindow,
  type MergeableAggregate,
  type Stream,
  type SubtractableAggregate,
  session,
  sliding,
  type Table,
  type Topology,
  type TopologyBuilder,
  topic,
  topology,
  tumbling,
  utf8,
  type WindowAggregateOptions,
  type Windowed,
} from 'millrace';
import { rows as out } from './join-cases.ts';

export interface CaseWindowSettings {
  readonly type: string;
  readonly sizeMs: number;
  readonly advanceMs?: number;
  readonly gapMs: number;
  readonly graceMs: number;
}

export interface Stage {
  readonly op: string;
  readonly join?: 'inner' | 'left' | 'outer';
  readonly window?: CaseWindowSettings;
  readonly emit?: 'update' | 'close' | 'suppress' | 'limit';
  readonly limitMs?: number;
  readonly maxRecords?: number;
  readonly beforeMs?: number;
  readonly afterMs?: number;
  readonly graceMs?: number;
  readonly historyMs?: number;
}

export type CaseWindow = ReturnType<typeof hopping | typeof sliding | typeof session>;

export function windowOf(window: CaseWindowSettings): CaseWindow {
  const { type, sizeMs: size, advanceMs, gapMs: gap, graceMs: grace } = window;
  switch (type) {
    case 'tumbling':
      return tumbling({ size, grace });
    case 'hopping':
      return hopping({ size, advance: advanceMs ?? size, grace });
    case 'sliding':
      return sliding({ size, grace });
    case 'session':
      return session({ gap, grace });
    default:
      throw new Error(`unknown window type ${type}`);
  }
}

/** What the stores of Kafka Streams keep; see WindowStepOptions.retentionMs. */
export function retentionOf(spec: CaseWindow): { readonly retentionMs?: number } {
  if (spec.type === 'session') return {};
  return { retentionMs: (spec.type === 'sliding' ? 2 : 1) * spec.sizeMs + spec.graceMs };
}

type Texts = Stream<string, string>;
type TextTable = Table<string, string>;

export const pipelineTopics = Object.fromEntries(
  ['left', 'right', 'rows', 'places'].map((name) => [
    name,
    topic<string, string>(name === 'rows' ? 'side-rows' : name, { value: utf8 }),
  ]),
) as Record<'left' | 'right' | 'rows' | 'places', ReturnType<typeof topic<string, string>>>;

const group = (value: string) => value.slice(0, value.lastIndexOf(':'));
const number = (value: string) => Number(value.slice(value.lastIndexOf(':') + 1));
const next = (value: string) => `${group(value)}:${number(value) + 1}`;
const passes = (value: string) => number(value) % 3 !== 0;

/** The left group where there is one; a missing side counts 1000 less. */
function joined(left: string | undefined, right: string | undefined): string {
  const sum = [left, right].reduce(
    (n, side) => n + (side === undefined ? -1_000 : number(side)),
    0,
  );
  return `${group(left ?? right ?? '')}:${sum}`;
}

const sums: MergeableAggregate<string, string> & SubtractableAggregate<string, string> = {
  init: () => '0',
  add: (sum, value) => String(Number(sum) + number(value)),
  subtract: (sum, value) => String(Number(sum) - number(value)),
  merge: (a, b) => String(Number(a) + Number(b)),
};

const text = { value: utf8 };

class Pipeline {
  readonly #t: TopologyBuilder;
  /** Where the pipeline stands: one of the two. */
  #stream: Texts | undefined;
  #table: TextTable | undefined;
  #stages = 0;

  constructor(t: TopologyBuilder) {
    this.#t = t;
  }

  add(stage: Stage): void {
    this.#stages++;
    const now = this.#stream === undefined ? this.#ofTable(stage) : this.#ofStream(stage);
    if ('changes' in now) [this.#stream, this.#table] = [undefined, now];
    else [this.#stream, this.#table] = [now, undefined];
  }

  end(): void {
    (this.#stream ?? this.#table)?.to(out);
  }

  /** A store of its own for each stage. */
  get #name(): string {
    return `stage-${this.#stages}`;
  }

  get #streamNow(): Texts {
    return this.#stream as Texts;
  }

  get #tableNow(): TextTable {
    return this.#table as TextTable;
  }

  #rows(name: 'rows' | 'places' | 'left', { historyMs }: Stage): TextTable {
    const options = historyMs === undefined ? {} : { historyMs };
    return this.#t.table(name, pipelineTopics[name], options);
  }

  #ofStream(stage: Stage): Texts | TextTable {
    const stream = this.#streamNow;
    switch (stage.op) {
      case 'filter':
        return stream.filter(passes);
      case 'map':
        return stream.map(next);
      case 'rekey':
        return stream.keyBy(this.#name, group, text);
      case 'merge':
        return stream.merge(this.#right);
      case 'joinTable':
        return stage.join === 'left'
          ? stream.leftJoinTable(this.#rows('rows', stage), joined)
          : stream.joinTable(this.#rows('rows', stage), joined);
      case 'joinStream':
        return stream.join(this.#name, this.#right, joinWindowOf(stage), joined, {
          asKafkaStreams: true,
        });
      case 'window': {
        const { spec, options } = windowing(stage);
        return this.#unwindowed(stream.window(spec).aggregate(this.#name, sums, options), stage);
      }
      case 'aggregate':
        return asRows(stream.aggregate(this.#name, sums, text));
      case 'cogroup':
        return asRows(this.#cogrouped.aggregate(this.#name, text));
      case 'cogroupWindow': {
        const { spec, options } = windowing(stage);
        return this.#unwindowed(this.#cogrouped.window(spec).aggregate(this.#name, options), stage);
      }
      default:
        throw new Error(`unknown stage ${stage.op} of a stream`);
    }
  }

  #ofTable(stage: Stage): Texts | TextTable {
    switch (stage.op) {
      case 'stream':
        return this.#t.stream(pipelineTopics.left);
      case 'table':
        return this.#rows('left', stage);
      case 'tableMap':
        return this.#tableNow.map(next);
      case 'tableFilter':
        return this.#tableNow.filter(passes);
      case 'tableJoin': {
        const other = this.#rows('rows', stage);
        if (stage.join === 'outer') return this.#tableNow.outerJoin(other, joined);
        return stage.join === 'left'
          ? this.#tableNow.leftJoin(other, joined)
          : this.#tableNow.join(other, joined);
      }
      case 'groupTable':
        return asRows(
          this.#tableNow
            .groupBy<string>(`${this.#name}-groups`, (value) => [group(value), value], text)
            .aggregate(this.#name, sums, text),
        );
      case 'foreignKey': {
        const other = this.#rows('places', stage);
        return stage.join === 'left'
          ? this.#tableNow.leftJoinForeign(this.#name, other, group, joined)
          : this.#tableNow.joinForeign(this.#name, other, group, joined);
      }
      case 'changes':
        return this.#tableNow.changes().filter((value: string | null) => value !== null);
      default:
        throw new Error(`unknown stage ${stage.op} of a table`);
    }
  }

  get #right(): Texts {
    return this.#t.stream(pipelineTopics.right);
  }

  get #cogrouped() {
    return this.#streamNow
      .cogroup(sums, sums.add)
      .with(this.#right, (sum, value) => String(Number(sum) + 100 * number(value)));
  }

  /** A window's result goes on under its key, its window in the group. */
  #unwindowed(table: Table<Windowed<string>, string>, stage: Stage): Texts {
    const { emit, limitMs = 0, maxRecords } = stage;
    const bound = maxRecords === undefined ? {} : { maxRecords };
    const emitted =
      emit === 'suppress'
        ? table.suppress(`${this.#name}-held`, { untilClosed: true })
        : emit === 'limit'
          ? table.suppress(`${this.#name}-held`, { timeLimitMs: limitMs, ...bound })
          : table;
    return emitted
      .changes()
      .filter((sum: string | null) => sum !== null)
      .map((sum, { key, start, end }) => `${key}@${start}-${end}:${sum}`)
      .keyBy(`${this.#name}-key`, (_, { key }) => key, text);
  }
}

function joinWindowOf({ beforeMs = 0, afterMs = 0, graceMs = 0 }: Stage): JoinWindow {
  return joinWindow({ before: beforeMs, after: afterMs, grace: graceMs });
}

function windowing(stage: Stage) {
  if (stage.window === undefined) throw new Error('a window stage has no window');
  const spec = windowOf(stage.window);
  const emit = stage.emit === 'close' ? 'close' : 'update';
  const options: WindowAggregateOptions<string, string, string> = {
    emit,
    value: utf8,
    ...retentionOf(spec),
  };
  return { spec, options };
}

/** An aggregate becomes `key:sum`. */
function asRows(table: TextTable): TextTable {
  return table.map((sum, key) => `${key}:${sum}`);
}

export function pipelineTopology(stages: readonly Stage[]): Topology {
  const define = (t: TopologyBuilder) => {
    const pipeline = new Pipeline(t);
    for (const stage of stages) pipeline.add(stage);
    pipeline.end();
  };
  // Behind a repartition topic Kafka Streams has no time of the sources.
  return topology('case', define, { asKafkaStreams: true });
}
