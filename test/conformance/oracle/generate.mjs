/**
 * Writes case files of random pipelines, inputs only; Oracle.java fills in what Kafka Streams answers.
 *
 *   node generate.mjs DIRECTORY SEED [COUNT]
 *
 * Every value is a text `group:number`, so that any step may follow any other. See README.md.
 */
import { mkdirSync, writeFileSync } from 'node:fs';

const [directory = 'cases', seed = '1', count = '24'] = process.argv.slice(2);
mkdirSync(directory, { recursive: true });

/** SplitMix-like, 32 bits: the same on every machine. */
let state = Number(seed) >>> 0;
function random() {
  state = (state + 0x9e3779b9) >>> 0;
  let z = state;
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return ((z ^ (z >>> 15)) >>> 0) / 2 ** 32;
}
const below = (bound) => Math.floor(random() * bound);
const pick = (list) => list[below(list.length)];

const keys = ['a', 'b', 'c', 'd'];
const groups = ['x', 'y', 'z'];

/**
 * Windows, and how their results may be emitted. Kafka Streams frees windows with an inclusive end from
 * suppress while they may still change; a cogroup of its has no emission on close.
 */
function windowOf(closes = true) {
  const window = pick([
    { type: 'tumbling', sizeMs: 60, graceMs: 30 },
    { type: 'tumbling', sizeMs: 45, graceMs: 0 },
    { type: 'hopping', sizeMs: 90, advanceMs: 30, graceMs: 20 },
    { type: 'hopping', sizeMs: 60, advanceMs: 25, graceMs: 0 },
    { type: 'sliding', sizeMs: 40, graceMs: 30 },
    { type: 'session', gapMs: 20, graceMs: 40 },
  ]);
  const inclusive = window.type === 'sliding' || window.type === 'session';
  const ways = inclusive ? ['update', 'close'] : ['update', 'close', 'suppress', 'limit'];
  const emit = pick(ways.filter((way) => closes || way !== 'close'));
  if (emit !== 'limit') return { window, emit };
  return { window, emit, limitMs: 50, ...(random() < 0.5 ? { maxRecords: 3 } : {}) };
}

/** Each stream of a cogroup has a time of its own in Kafka Streams, by which its records are late or not. */
const neverLate = ({ window, ...emit }) => ({ window: { ...window, graceMs: 5_000 }, ...emit });

/** Some tables are versioned. */
const history = () => (random() < 0.3 ? { historyMs: 300 } : {});

const joinWindow = () => ({
  beforeMs: pick([0, 20]),
  afterMs: pick([10, 40]),
  graceMs: pick([0, 30]),
});

/** What may follow a stream and a table: the step, and what it makes. `uses` is a topic to be read once. */
const ofStream = [
  () => [{ op: 'filter' }, 'stream'],
  () => [{ op: 'map' }, 'stream'],
  () => [{ op: 'rekey' }, 'stream'],
  () => [{ op: 'merge' }, 'stream', 'right'],
  () => [{ op: 'joinTable', join: pick(['inner', 'left']), ...history() }, 'stream', 'rows'],
  () => [{ op: 'joinStream', join: 'inner', ...joinWindow() }, 'stream', 'right'],
  () => [{ op: 'window', ...windowOf() }, 'stream'],
  () => [{ op: 'window', ...windowOf() }, 'stream'],
  () => [{ op: 'aggregate' }, 'table'],
  () => [{ op: 'cogroup' }, 'table', 'right'],
  () => [{ op: 'cogroupWindow', ...neverLate(windowOf(false)) }, 'stream', 'right'],
];
const ofTable = [
  () => [{ op: 'tableMap' }, 'table'],
  () => [{ op: 'tableFilter' }, 'table'],
  () => [
    { op: 'tableJoin', join: pick(['inner', 'left', 'outer']), ...history() },
    'table',
    'rows',
  ],
  () => [{ op: 'groupTable' }, 'table'],
  () => [{ op: 'foreignKey', join: pick(['inner', 'left']), ...history() }, 'table', 'places'],
  () => [{ op: 'changes' }, 'stream'],
];

/** @param partitions more than 1: only a `rekey` moves records between them */
function pipeline(partitions) {
  let kind = partitions > 1 || random() < 0.6 ? 'stream' : 'table';
  const stages = [kind === 'table' ? { op: kind, ...history() } : { op: kind }];
  const used = new Set(['left']);
  let rekeys = 0;
  const length = 2 + below(4);
  while (stages.length <= length) {
    const [stage, next, uses] = pick(kind === 'stream' ? ofStream : ofTable)();
    if (uses !== undefined && used.has(uses)) continue;
    if (partitions > 1 && ['groupTable', 'foreignKey'].includes(stage.op)) continue;
    if (stage.op === 'rekey' && ++rekeys > 2) continue;
    if (stage.op === stages.at(-1).op) continue;
    // Whether a filter deletes rows that never passed depends on what is kept before it (KAFKA-10077).
    const unkept = stages.at(-1).op === 'tableMap' || used.has('cogroup');
    if (stage.op === 'tableFilter' && unkept) continue;
    // Two changes of one time on their way through several topics: the test driver has no order of them.
    // And a row that changes twice before its first answer is back: it depends on the way which is told.
    const atOnce = ['groupTable', 'window', 'cogroupWindow', 'joinStream'];
    if (stage.op === 'foreignKey' && stages.some(({ op }) => atOnce.includes(op))) continue;
    used.add(uses ?? 'left');
    if (stage.op === 'cogroup') used.add('cogroup');
    stages.push(stage);
    kind = next;
  }
  if (partitions > 1 && rekeys === 0) return pipeline(partitions);
  used.delete('cogroup');
  return { stages, topics: [...used], ...(partitions > 1 ? { partitions } : {}) };
}

function inputs({ stages, topics }) {
  // A sliding window that begins before 0 closes later in Kafka Streams.
  let now = stages.some(({ window }) => window?.type === 'sliding') ? 200 : 0;
  const from = now;
  return Array.from({ length: 110 }, () => {
    now += below(14);
    if (random() < 0.02) now += 200;
    const timestamp = random() < 0.35 ? Math.max(from, now - below(45)) : now;
    const topic = random() < 0.6 ? 'left' : pick(topics);
    const table =
      topic === 'rows' || topic === 'places' || (topic === 'left' && stages[0].op === 'table');
    const key = pick(topic === 'places' ? [...groups, ...keys] : keys);
    const value = table && random() < 0.15 ? null : `${pick(groups)}:${below(40)}`;
    // Tables take changes as they come: their disorder is another subject.
    return { topic, key, value, timestamp };
  });
}

const seen = new Set();
while (seen.size < Number(count)) {
  // One in four has three partitions.
  const made = pipeline(seen.size % 4 === 3 ? 3 : 1);
  const shape = made.stages.map(({ op }) => op).join('-');
  if (seen.has(shape)) continue;
  seen.add(shape);
  const name = `pipeline-${String(seen.size).padStart(2, '0')}-${shape}`;
  const { topics: _, ...settings } = made;
  const file = { name, pipeline: { kind: 'pipeline', ...settings }, steps: inputs(made) };
  writeFileSync(`${directory}/${name}.json`, JSON.stringify(file));
}
