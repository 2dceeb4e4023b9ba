/** Case files: a pipeline, and step by step what goes in and what must come out, order included. */
import {
  type Aggregate,
  type MergeableAggregate,
  sessionWindowed,
  type Table,
  type Topology,
  type TopologyBuilder,
  timeWindowed,
  topic,
  topology,
  utf8,
  type Windowed,
} from 'millrace';
import { testDriver } from 'millrace/testing';
import {
  addJoin,
  type CaseTopics,
  caseTopics,
  type JoinPipeline,
  joinKinds,
} from './join-cases.ts';
import {
  type CaseWindowSettings,
  pipelineTopics,
  pipelineTopology,
  retentionOf,
  type Stage,
  windowOf,
} from './pipeline-cases.ts';

export interface CaseRecord {
  readonly key: string | null;
  readonly window?: readonly [start: number, end: number];
  readonly value: string | null;
  readonly timestamp: number;
}

export interface CaseFile {
  readonly name: string;
  readonly pipeline: JoinPipeline & {
    readonly aggregate: string;
    readonly window?: CaseWindowSettings;
    readonly stages?: readonly Stage[];
    /** Of every topic; results are compared key by key then. Default 1. */
    readonly partitions?: number;
    readonly emit?: string;
    readonly suppress?: { readonly until?: 'windowCloses'; readonly untilTimeLimitMs?: number };
  };
  readonly steps: readonly (CaseRecord & {
    readonly topic?: string;
    readonly out: readonly CaseRecord[];
  })[];
}

/** Kinds that can be run; others are answered as 'not yet'. */
export const supportedKinds: readonly string[] = [
  'windowedAggregate',
  'aggregate',
  'pipeline',
  ...joinKinds,
];

/** Aggregates over texts, as the recorded cases have them. */
const aggregates: Record<string, MergeableAggregate<string, string>> = {
  count: numeric('0', (a) => a + 1),
  sum: numeric('0', (a, v) => a + v),
  min: extreme(Math.min),
  max: extreme(Math.max),
  concat: {
    init: () => '',
    add: (a, v) => (a === '' ? v : `${a},${v}`),
    merge: (a, b) => (a === '' ? b : b === '' ? a : `${a},${b}`),
    ordered: true,
  },
};

function numeric(
  init: string,
  add: (a: number, v: number) => number,
): MergeableAggregate<string, string> {
  return {
    init: () => init,
    add: (a, v) => String(add(Number(a), Number(v))),
    merge: (a, b) => String(Number(a) + Number(b)),
  };
}

function extreme(better: (a: number, b: number) => number): MergeableAggregate<string, string> {
  const join = (a: string, b: string) =>
    a === '' ? b : b === '' ? a : String(better(Number(a), Number(b)));
  return { init: () => '', add: join, merge: join };
}

/**
 * A case on its own.
 * @param merge false takes `merge` away, so that hopping windows are kept one by one
 */
export function pipelineOf(file: CaseFile, merge = true) {
  const topics = caseTopics();
  const { stages } = file.pipeline;
  if (stages !== undefined) {
    return { topology: pipelineTopology(stages), topics, output: topics.rows };
  }
  const built = topology('case', (t) => addCase(t, topics, file, merge));
  return { topology: built as Topology, topics, output: built.exports };
}

/** Adds the pipeline of a case to a topology; answers the topic of its results. */
export function addCase(
  t: TopologyBuilder,
  topics: CaseTopics,
  { pipeline }: CaseFile,
  merge = true,
) {
  if (joinKinds.includes(pipeline.kind)) {
    addJoin(t, topics, pipeline);
    return topics.rows;
  }
  const spec = pipeline.window === undefined ? undefined : windowOf(pipeline.window);
  const windowKey =
    spec?.type === 'hopping' ? timeWindowed(utf8, spec.sizeMs) : sessionWindowed(utf8);
  const windows = topic<Windowed<string>, string>(topics.step('windows'), {
    key: windowKey,
    value: utf8,
  });
  const known = aggregates[pipeline.aggregate];
  if (known === undefined) throw new Error(`unknown aggregate ${pipeline.aggregate}`);
  const { merge: _, ...unmerged } = known;
  const aggregate: Aggregate<string, string> = merge || spec?.type !== 'hopping' ? known : unmerged;
  const stream = t.stream(topics.input);
  const step = topics.step('aggregate');
  if (spec === undefined) {
    stream.aggregate(step, aggregate, { value: utf8 }).to(topics.rows);
    return topics.rows;
  }
  const table = stream.window(spec).aggregate(step, aggregate, {
    emit: pipeline.emit === 'close' ? 'close' : 'update',
    value: utf8,
    ...retentionOf(spec),
  });
  suppressed(table, topics.step('suppress'), pipeline.suppress).to(windows);
  return windows;
}

/** The topic that a step's record goes to. */
export function topicOf(topics: CaseTopics, { topic: side }: { readonly topic?: string }) {
  return side === 'left' || side === 'right' ? topics[side] : topics.input;
}

function suppressed(
  table: Table<Windowed<string>, string>,
  name: string,
  suppress: CaseFile['pipeline']['suppress'],
): Table<Windowed<string>, string> {
  if (suppress === undefined) return table;
  const { untilTimeLimitMs: timeLimitMs } = suppress;
  return table.suppress(name, timeLimitMs === undefined ? { untilClosed: true } : { timeLimitMs });
}

export interface Variant {
  readonly merge?: boolean;
  readonly partitions?: number;
  readonly cacheBytes?: number;
  /** Restart, with state from the changelog, after each step. */
  readonly restart?: boolean;
}

/** Runs a case; answers the first difference, or undefined when all of it agrees. */
export async function runCase(file: CaseFile, variant: Variant = {}): Promise<string | undefined> {
  const { topology: built, topics, output } = pipelineOf(file, variant.merge);
  const { partitions } = file.pipeline;
  const driver = await testDriver(built, {
    ...variant,
    ...(partitions === undefined ? {} : { partitions }),
  });
  try {
    for (const [i, step] of file.steps.entries()) {
      const to = stagedTopic(file, step.topic) ?? topicOf(topics, step);
      await driver.pipe(to, step.key, step.value, step.timestamp);
      const out = (await driver.read<unknown, string>(output)).map(asCaseRecord);
      const [expected, actual] = [step.out, out].map((records) =>
        JSON.stringify(partitions === undefined ? records : byKey(records)),
      );
      if (actual !== expected) {
        return `step ${i} (${step.key}, ${step.value}, ${step.timestamp})\n  expected ${expected}\n  actual   ${actual}`;
      }
      if (variant.restart === true) await driver.restart({ dropState: i % 2 === 0 });
    }
    return undefined;
  } finally {
    await driver.close();
  }
}

/** Between partitions there is no order. */
function byKey(records: readonly CaseRecord[]): readonly CaseRecord[] {
  return [...records].sort((a, b) =>
    String(a.key) < String(b.key) ? -1 : a.key === b.key ? 0 : 1,
  );
}

/** Pipelines of stages have topics of their own. */
function stagedTopic({ pipeline }: CaseFile, name: string | undefined) {
  if (pipeline.stages === undefined) return undefined;
  return pipelineTopics[name as keyof typeof pipelineTopics];
}

export function asCaseRecord(record: {
  key: unknown;
  value: string | null;
  timestamp: number;
}): CaseRecord {
  const { key, value, timestamp } = record;
  if (key === null || typeof key === 'string') return { key, value, timestamp };
  const { key: base, start, end } = key as Windowed<string>;
  return { key: base, window: [start, end], value, timestamp };
}
