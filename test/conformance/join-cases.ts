/** Pipelines of the recorded cases that have two topics, or a table: joins and grouped tables. */
import { joinWindow, type Stream, type Table, type TopologyBuilder, topic, utf8 } from 'millrace';

export interface JoinPipeline {
  readonly kind: string;
  readonly join?: 'inner' | 'left' | 'outer';
  readonly beforeMs?: number;
  readonly afterMs?: number;
  readonly graceMs?: number;
  readonly historyMs?: number;
  readonly aggregate?: string;
}

/** Topics and step names of one case; the prefix keeps several in one topology apart. */
export function caseTopics(prefix = '') {
  const named = (name: string) => topic<string, string>(`${prefix}${name}`, { value: utf8 });
  return {
    left: named('left'),
    right: named('right'),
    input: named('input'),
    rows: named('rows'),
    step: (name: string) => `${prefix}${name}`,
  };
}
export type CaseTopics = ReturnType<typeof caseTopics>;

export const { rows } = caseTopics();

type Text = string | undefined;
/** A missing side is the word null. */
const glue = (left: Text, right: Text) => `${left ?? 'null'}+${right ?? 'null'}`;
const head = (value: string) => value.split(':')[0] || null;

const asKafkaStreams = { asKafkaStreams: true };

type Build = (t: TopologyBuilder, topics: CaseTopics, pipeline: JoinPipeline) => void;

const pipelines: Record<string, Build> = {
  streamStreamJoin: (t, topics, { join, beforeMs = 0, afterMs = 0, graceMs = 0 }) => {
    const [left, right] = [t.stream(topics.left), t.stream(topics.right)];
    const window = joinWindow({ before: beforeMs, after: afterMs, grace: graceMs });
    const joins: Record<string, () => Stream<string, string>> = {
      inner: () => left.join(topics.step('join'), right, window, glue, asKafkaStreams),
      left: () => left.leftJoin(topics.step('join'), right, window, glue, asKafkaStreams),
      outer: () => left.outerJoin(topics.step('join'), right, window, glue, asKafkaStreams),
    };
    joins[join ?? 'inner']?.().to(topics.rows);
  },
  streamTableJoin: (t, topics, { join, historyMs, graceMs }) => {
    const stream = t.stream(topics.left);
    const table = t.table(
      topics.step('table'),
      topics.right,
      historyMs === undefined ? {} : { historyMs },
    );
    const options = graceMs === undefined ? {} : { wait: { name: topics.step('buffer'), graceMs } };
    const joined =
      join === 'left'
        ? stream.leftJoinTable(table, glue, options)
        : stream.joinTable(table, glue, options);
    joined.to(topics.rows);
  },
  tableTableJoin: (t, topics, { join }) => {
    const [left, right] = [
      t.table(topics.step('left'), topics.left),
      t.table(topics.step('right'), topics.right),
    ];
    const joins: Record<string, () => Table<string, string>> = {
      inner: () => left.join(right, glue),
      left: () => left.leftJoin(right, glue),
      outer: () => left.outerJoin(right, glue),
    };
    joins[join ?? 'inner']?.().to(topics.rows);
  },
  foreignKeyJoin: (t, topics, { join }) => {
    const [left, right] = [
      t.table(topics.step('left'), topics.left),
      t.table(topics.step('right'), topics.right),
    ];
    const joined =
      join === 'left'
        ? left.leftJoinForeign(topics.step('joined'), right, head, glue)
        : left.joinForeign(topics.step('joined'), right, head, glue);
    joined.to(topics.rows);
  },
  globalTableJoin: (t, topics, { join }) => {
    const table = t.globalTable(topics.right);
    const stream = t.stream(topics.left);
    const joined =
      join === 'left'
        ? stream.leftJoinGlobal(table, head, glue)
        : stream.joinGlobal(table, head, glue);
    joined.to(topics.rows);
  },
  tableAggregate: (t, topics, { aggregate }) => {
    const weight = (value: string) => (aggregate === 'count' ? 1 : Number(value));
    t.table(topics.step('table'), topics.input)
      .groupBy(
        topics.step('by-group'),
        (row) => [row.split(':')[0] ?? '', row.split(':')[1] ?? ''],
        {
          value: utf8,
        },
      )
      .aggregate(topics.step('groups'), {
        init: () => 0,
        add: (total, value: string) => total + weight(value),
        subtract: (total, value: string) => total - weight(value),
      })
      .map((total) => String(total))
      .to(topics.rows);
  },
};

export const joinKinds = Object.keys(pipelines);

/** Adds the pipeline to a topology; its results go to `topics.rows`. */
export function addJoin(t: TopologyBuilder, topics: CaseTopics, pipeline: JoinPipeline): void {
  const build = pipelines[pipeline.kind];
  if (build === undefined) throw new Error(`unknown pipeline ${pipeline.kind}`);
  build(t, topics, pipeline);
}
