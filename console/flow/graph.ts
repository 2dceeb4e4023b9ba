/** The topology as it is drawn: topics and steps, and the records that flow between them. */
import type { NodeDescription } from '../../engine/graph/describe.ts';
import type { Flow } from '../lib/live.ts';

export interface TopologyNode extends NodeDescription {
  readonly topics: readonly string[];
}

export interface Topology {
  readonly name: string;
  readonly application: string;
  readonly hasPeople: boolean;
  readonly globalTables: readonly string[];
  readonly subTopologies: readonly {
    readonly id: number;
    readonly sources: readonly string[];
    readonly nodes: readonly TopologyNode[];
  }[];
}

export interface Box {
  readonly id: string;
  readonly title: string;
  /** Its kind, in a word or two. */
  readonly what: string;
  readonly type: 'source' | 'step' | 'sink' | 'table';
  /** The sub-topology, whose tasks run it partition by partition. */
  readonly part: number | undefined;
  readonly node: TopologyNode | undefined;
  /** The topic whose rate the box shows. */
  readonly topic: string | undefined;
}

export interface Line {
  readonly from: string;
  readonly to: string;
  /** The topic over which records travel to the partition of their new key. */
  readonly topic?: string;
  /** Whether it goes against the direction of the others, because a step reads what it wrote. */
  readonly back?: boolean;
}

export interface Graph {
  readonly boxes: readonly Box[];
  readonly lines: readonly Line[];
}

export function graphOf(topology: Topology): Graph {
  const boxes = new Map<string, Box>();
  const lines: Line[] = [];
  const nodes = topology.subTopologies.flatMap(({ id, nodes: own }) =>
    own.map((node) => ({ part: id, node })),
  );
  const boxOf = new Map<number, string>();
  for (const { part, node } of nodes) {
    // Several sinks of a topic are drawn as one box, the topic.
    const id = node.type === 'sink' ? `out ${node.name}` : `n${node.id}`;
    boxOf.set(node.id, id);
    boxes.set(id, {
      ...{ id, title: titleOf(node), what: whatOf(node), type: node.type, part, node },
      topic: node.type === 'step' ? undefined : node.name,
    });
  }
  const sources = new Map(
    nodes.flatMap(({ node }) => (node.type === 'source' ? [[node.name, `n${node.id}`]] : [])),
  );
  for (const { node } of nodes) {
    const id = boxOf.get(node.id) ?? '';
    for (const input of node.inputs) {
      const before = nodes.find((one) => one.node.id === input)?.node;
      const travels = before?.readBy === undefined ? undefined : before.topics[0];
      const line = { from: boxOf.get(input) ?? '', to: id };
      lines.push(travels === undefined ? line : { ...line, topic: travels });
    }
    for (const name of node.sideOutputs) {
      const source = sources.get(name);
      if (source !== undefined) {
        lines.push({ from: id, to: source, back: true });
        continue;
      }
      const out = `out ${name}`;
      if (!boxes.has(out)) {
        boxes.set(out, {
          ...{ id: out, title: name, what: 'topic', type: 'sink', part: undefined },
          ...{ node: undefined, topic: name },
        });
      }
      if (!lines.some((line) => line.from === id && line.to === out)) {
        lines.push({ from: id, to: out });
      }
    }
  }
  for (const name of topology.globalTables) {
    const id = `table ${name}`;
    boxes.set(id, {
      ...{ id, title: name, what: 'table in every task', type: 'table', part: undefined },
      ...{ node: undefined, topic: name },
    });
  }
  return { boxes: [...boxes.values()], lines };
}

function titleOf(node: TopologyNode): string {
  return node.name;
}

function whatOf({ type, kind, name }: TopologyNode): string {
  if (type === 'source') return 'topic, read';
  if (type === 'sink') return 'topic, written';
  return kind === name ? 'step' : kind;
}

export interface Trouble {
  readonly dropped: number;
  readonly deadLettered: number;
}

/** The failures at a box; counters name a source by its topic. */
export function troubleOf(box: Box, flow: Flow | undefined): Trouble {
  const totals = flow?.steps[box.title];
  const sum = (counts: Readonly<Record<string, number>> = {}) =>
    Object.values(counts).reduce((all, one) => all + one, 0);
  return { dropped: sum(totals?.drops), deadLettered: sum(totals?.deadLetters) };
}

const reasons: Readonly<Record<string, string>> = {
  null_key: 'without a key',
  null_value: 'without a value',
  late: 'too late',
  negative_timestamp: 'before 1970',
  duplicate: 'twice',
  expired: 'expired',
  invalid: 'not valid',
  no_consent: 'without consent',
  erased: 'of erased subjects',
  source: 'cannot be read as a row',
  deserialise: 'cannot be decoded',
  process: 'failed in the step',
  produce: 'cannot be written',
  future: 'time too far ahead',
};

export function reasonText(reason: string): string {
  return reasons[reason] ?? reason;
}
