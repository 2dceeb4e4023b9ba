/** Pipelines of the recorded cases that have two topics, or a table: joins and grouped tables. */
import {
  joinWindow,
  type Stream,
  type Table,
  type Topology,
  topic,
  topology,
  utf8,
} from 'millrace';

export interface JoinPipeline {
  readonly kind: string;
  readonly join?: 'inner' | 'left' | 'outer';
  readonly beforeMs?: number;
  readonly afterMs?: number;
  readonly graceMs?: number;
  readonly historyMs?: number;
  readonly aggregate?: string;
}

export const sides = {
  left: topic<string, string>('left', { value: utf8 }),
  right: topic<string, string>('right', { value: utf8 }),
};
export const input = topic<string, string>('input', { value: utf8 });
export const rows = topic<string, string>('rows', { value: utf8 });

type Text = string | undefined;
/** A missing side is the word null. */
const glue = (left: Text, right: Text) => `${left ?? 'null'}+${right ?? 'null'}`;
const head = (value: string) => value.split(':')[0] || null;

const asKafkaStreams = { asKafkaStreams: true };

const pipelines: Record<string, (pipeline: JoinPipeline) => Topology> = {
  streamStreamJoin: ({ join, beforeMs = 0, afterMs = 0, graceMs = 0 }) =>
    topology('case', (t) => {
      const [left, right] = [t.stream(sides.left), t.stream(sides.right)];
      const window = joinWindow({ before: beforeMs, after: afterMs, grace: graceMs });
      const joins: Record<string, () => Stream<string, string>> = {
        inner: () => left.join('join', right, window, glue, asKafkaStreams),
        left: () => left.leftJoin('join', right, window, glue, asKafkaStreams),
        outer: () => left.outerJoin('join', right, window, glue, asKafkaStreams),
      };
      joins[join ?? 'inner']?.().to(rows);
    }),
  streamTableJoin: ({ join, historyMs, graceMs }) =>
    topology('case', (t) => {
      const stream = t.stream(sides.left);
      const table = t.table('table', sides.right, historyMs === undefined ? {} : { historyMs });
      const options = graceMs === undefined ? {} : { wait: { name: 'buffer', graceMs } };
      const joined =
        join === 'left'
          ? stream.leftJoinTable(table, glue, options)
          : stream.joinTable(table, glue, options);
      joined.to(rows);
    }),
  tableTableJoin: ({ join }) =>
    topology('case', (t) => {
      const [left, right] = [t.table('left', sides.left), t.table('right', sides.right)];
      const joins: Record<string, () => Table<string, string>> = {
        inner: () => left.join(right, glue),
        left: () => left.leftJoin(right, glue),
        outer: () => left.outerJoin(right, glue),
      };
      joins[join ?? 'inner']?.().to(rows);
    }),
  foreignKeyJoin: ({ join }) =>
    topology('case', (t) => {
      const [left, right] = [t.table('left', sides.left), t.table('right', sides.right)];
      const joined =
        join === 'left'
          ? left.leftJoinForeign('joined', right, head, glue)
          : left.joinForeign('joined', right, head, glue);
      joined.to(rows);
    }),
  globalTableJoin: ({ join }) =>
    topology('case', (t) => {
      const table = t.globalTable(sides.right);
      const stream = t.stream(sides.left);
      const joined =
        join === 'left'
          ? stream.leftJoinGlobal(table, head, glue)
          : stream.joinGlobal(table, head, glue);
      joined.to(rows);
    }),
  tableAggregate: ({ aggregate }) =>
    topology('case', (t) => {
      const weight = (value: string) => (aggregate === 'count' ? 1 : Number(value));
      t.table('table', input)
        .groupBy('by-group', (row) => [row.split(':')[0] ?? '', row.split(':')[1] ?? ''], {
          value: utf8,
        })
        .aggregate('groups', {
          init: () => 0,
          add: (total, value: string) => total + weight(value),
          subtract: (total, value: string) => total - weight(value),
        })
        .map((total) => String(total))
        .to(rows);
    }),
};

export const joinKinds = Object.keys(pipelines);

export function joinTopology(pipeline: JoinPipeline): Topology {
  const build = pipelines[pipeline.kind];
  if (build === undefined) throw new Error(`unknown pipeline ${pipeline.kind}`);
  return build(pipeline);
}
