/**
 * Traces follow a record through re-keying and state: with the real SDK, and its exporter in
 * memory.
 */
import { trace } from '@opentelemetry/api';
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-node';
import { count, topic, topology, tumbling, utf8 } from 'millrace';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { MemoryLog } from '../../engine/log/memory-log.ts';
import { BatchBuilder } from '../../engine/record/batch.ts';
import { decodeHeaders, encodeHeaders } from '../../engine/record/headers.ts';
import { Runtime } from '../../engine/runtime/runtime.ts';
import { MemoryBackends } from '../../engine/storage/memory-backend.ts';
import { TaskHost } from '../../engine/task/task-host.ts';

const words = topic<string, string>('words', { value: utf8, partitions: 1 });
const out = topic<string, string>('out', { value: utf8, partitions: 1 });
const job = topology('traced', (t) => {
  t.stream(words)
    .filter((word) => word !== 'no')
    .keyBy('by-word', (word) => word, { key: utf8 })
    .window(tumbling({ size: 10, grace: 0 }))
    .aggregate('per-ten', count(), { emit: 'close' })
    .changes()
    .map((n) => {
      if (n === 13) throw new Error('thirteen');
      return String(n);
    })
    .keyBy('plain', (_, key) => key.key, { key: utf8 })
    .to(out);
  return {};
});

interface Row {
  readonly word: string;
  readonly at: number;
  readonly trace?: string;
}

let exporter: InMemorySpanExporter;
let provider: NodeTracerProvider;

beforeEach(() => {
  exporter = new InMemorySpanExporter();
  provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  provider.register();
});

afterEach(async () => {
  await provider.shutdown();
  trace.disable();
});

const idOf = (n: number) => n.toString(16).padStart(32, '0');
const parentOf = (n: number, flags = '01') => `00-${idOf(n)}-${'a'.repeat(16)}-${flags}`;

/** What the job writes of the rows, with its headers. */
async function run(rows: readonly Row[], traceEvery = 0) {
  const log = new MemoryLog();
  await log.createTopics([{ name: words.name, partitions: 1, settings: {} }]);
  const writer = await log.openWriter('feeder');
  const builder = new BatchBuilder();
  rows.forEach(({ word, at, trace: traceparent }, i) => {
    const headers = traceparent === undefined ? {} : { traceparent, tracestate: 'shop=1' };
    builder.append(Buffer.from(`k${i}`), Buffer.from(word), at, encodeHeaders(headers));
  });
  const appends = [{ topic: words.name, partition: 0, batch: builder.finishAt(0) }];
  await writer.commit({ appends, offsets: [], commitId: 1 });
  const backends = new MemoryBackends();
  const runtime = await Runtime.start({
    ...{ topology: job, application: 'traced', log, stateDirectory: 'state', traceEvery },
    startHosts: async (config) => [new TaskHost(job, config, backends)],
  });
  await runtime.runUntilCaughtUp();
  await runtime.close();
  const batch = await log.read({ topic: out.name, partition: 0 }, 0, { records: 1_000 });
  return Array.from({ length: batch?.count ?? 0 }, (_, i) => ({
    value: String(batch?.value(i)),
    headers: decodeHeaders(batch?.headerBytes(i) ?? Buffer.alloc(0)),
  }));
}

const spans = () => exporter.getFinishedSpans();
const named = (name: string) => spans().filter((span) => span.name === name);
const parentIn = (span: ReadableSpan) =>
  spans().find((one) => one.spanContext().spanId === span.parentSpanContext?.spanId)?.name;

test('one trace from the record through re-keying to what it came to, with links', async () => {
  const written = await run([
    { word: 'a', at: 1, trace: parentOf(1) },
    { word: 'b', at: 2 },
    { word: 'a', at: 3, trace: parentOf(2) },
    { word: 'a', at: 12, trace: parentOf(3) },
    { word: 'c', at: 30 },
  ]);
  const [first] = named('take words');
  expect(first?.spanContext().traceId).toBe(idOf(1));
  expect(first?.parentSpanContext?.spanId).toBe('a'.repeat(16));
  expect(first?.attributes).toMatchObject({
    'messaging.destination.name': 'words',
    'messaging.kafka.offset': 0,
  });
  const rekeyed = named('step by-word');
  expect(rekeyed.map(parentIn)).toEqual(Array(3).fill('step filter'));
  const again = spans().filter(({ name }) => name.startsWith('take') && name !== 'take words');
  expect(again.slice(0, 3).map(parentIn), 'the repartition topic').toEqual(
    Array(3).fill('step by-word'),
  );
  expect(again.slice(0, 3).map((span) => span.spanContext().traceId)).toEqual([1, 2, 3].map(idOf));
  // Both windows of `a`: that of two records, and that of one.
  const results = named('step per-ten').filter(({ links }) => links.length > 0);
  expect(
    results.map(({ links }) => links.map(({ context }) => context.traceId)),
    'each window links to its own records',
  ).toEqual([[idOf(1), idOf(2)], [idOf(3)]]);
  expect(results.map((span) => span.spanContext().traceId)).toEqual([idOf(2), idOf(3)]);
  const commits = named('commit');
  expect(commits.map((span) => span.spanContext().traceId)).toEqual(
    expect.arrayContaining([1, 2, 3].map(idOf)),
  );
  expect(new Set(commits.map((span) => parentIn(span)?.slice(0, 5)))).toEqual(new Set(['take ']));
  const traces = written.map(({ value, headers }) => ({
    value,
    trace: headers['traceparent']?.slice(3, 35),
    state: headers['tracestate'],
  }));
  expect(traces).toContainEqual({ value: '2', trace: idOf(2), state: 'shop=1' });
  expect(traces).toContainEqual({ value: '1', trace: idOf(3), state: 'shop=1' });
  expect(traces.filter(({ trace }) => trace === undefined).length, 'b').toBe(1);
});

test('links are bounded, and a failure is an exception of its step', async () => {
  const rows = Array.from({ length: 13 }, (_, i) => ({
    word: 'a',
    at: 0,
    trace: parentOf(i + 1),
  }));
  expect(await run([...rows, { word: 'b', at: 40 }])).toEqual([]);
  const [result] = named('step per-ten').filter(({ links }) => links.length > 0);
  expect(result?.links.map(({ context }) => context.traceId)).toEqual(
    [6, 7, 8, 9, 10, 11, 12, 13].map(idOf),
  );
  const [failed] = spans().filter(({ events }) => events.length > 0);
  expect(failed?.events[0]?.attributes?.['exception.message']).toBe('thirteen');
});

test('what is not sampled is no trace, and its context goes on', async () => {
  const written = await run([
    { word: 'a', at: 1, trace: parentOf(1, '00') },
    { word: 'a', at: 2, trace: 'not a context' },
    { word: 'b', at: 30 },
  ]);
  expect(spans()).toEqual([]);
  expect(written.length).toBe(1);
});

test('of records without a context one in so many begins a trace', async () => {
  const rows = Array.from({ length: 10 }, (_, i) => ({ word: 'a', at: i }));
  await run(rows, 5);
  const begun = named('take words');
  expect(begun.map(({ attributes }) => attributes['messaging.kafka.offset'])).toEqual([0, 5]);
  expect(begun.map((span) => span.parentSpanContext)).toEqual([undefined, undefined]);
});

test('without a tracer records are as they were', async () => {
  trace.disable();
  const written = await run([
    { word: 'a', at: 1, trace: parentOf(1) },
    { word: 'b', at: 30 },
  ]);
  expect(spans()).toEqual([]);
  expect(written).toEqual([{ value: '1', headers: {} }]);
});
