/**
 * A trace that a request brings goes on in its span, in the event, and in the steps that take it.
 */
import { trace } from '@opentelemetry/api';
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-node';
import { expect, onTestFinished, test } from 'vitest';
import { decodeHeaders } from '../../engine/record/headers.ts';
import { post, type RunningGateway, startGateway } from './running.ts';

const traceId = 'ab'.repeat(16);
const parentId = 'cd'.repeat(8);
const traceparent = `00-${traceId}-${parentId}-01`;
const eventOf = (id: string, subject: string) => [
  { id, subject, class: 'email_click', time: '2026-01-01T10:00:00Z' },
];

/** Headers of the events in the log. */
async function headersOf({ execution }: RunningGateway): Promise<Record<string, string>[]> {
  const found = (await execution.log.topics()).find(({ name }) => name === 'events');
  const all: Record<string, string>[] = [];
  for (let partition = 0; partition < (found?.partitions ?? 0); partition++) {
    const batch = await execution.log.read({ topic: 'events', partition }, 0, { records: 100 });
    for (let i = 0; i < (batch?.count ?? 0); i++) {
      const headers = decodeHeaders(batch?.headerBytes(i) ?? Buffer.alloc(0));
      all.push(Object.fromEntries(Object.entries(headers).map(([k, v]) => [k, String(v)])));
    }
  }
  return all;
}

async function decided(url: string, subject: string, headers = {}): Promise<void> {
  const status = async () => (await fetch(`${url}/v1/subjects/${subject}`, { headers })).status;
  await expect.poll(status).toBe(200);
}

test('with a tracer, from the request to the steps, and questions as well', async () => {
  const exporter = new InMemorySpanExporter();
  const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  provider.register();
  onTestFinished(async () => {
    await provider.shutdown();
    trace.disable();
  });
  const gateway = await startGateway();
  const { url } = gateway;
  const sent = await post(`${url}/v1/events`, eventOf('a', 'ann'), {
    traceparent,
    tracestate: 'shop=1',
  });
  expect(sent.status).toBe(202);
  await decided(url, 'ann');
  const all = () => exporter.getFinishedSpans();
  const named = (name: string) => all().filter((span) => span.name === name);
  await expect.poll(() => named('POST /v1/events').length).toBe(1);
  const [request] = named('POST /v1/events');
  expect(request?.spanContext().traceId).toBe(traceId);
  expect(request?.parentSpanContext?.spanId).toBe(parentId);
  expect(request?.attributes).toMatchObject({ 'http.response.status_code': 202 });
  const spanId = request?.spanContext().spanId;
  expect(await headersOf(gateway)).toEqual([
    { traceparent: `00-${traceId}-${spanId}-01`, tracestate: 'shop=1' },
  ]);
  const [take] = named('take events');
  expect(take?.parentSpanContext?.spanId).toBe(spanId);
  expect(all().some((span) => span.name.startsWith('step '))).toBe(true);

  const other = `00-${'ef'.repeat(16)}-${parentId}-01`;
  await decided(url, 'ann', { traceparent: other });
  await expect.poll(() => named('GET /v1/subjects/:id').length).toBe(1);
  const [question] = named('GET /v1/subjects/:id');
  expect(question?.spanContext().traceId).toBe('ef'.repeat(16));
  expect(JSON.stringify(question?.attributes), 'no name of a person').not.toContain('ann');
  // The caller's sampler has left this one out; and this is none.
  const before = all().length;
  for (const wrong of [traceparent.replace(/01$/, '00'), 'no trace']) {
    await fetch(`${url}/v1/subjects/ann`, { headers: { traceparent: wrong } });
  }
  expect(all().length).toBe(before);
});

test('without a tracer the event has the trace of the request; without one, none', async () => {
  const gateway = await startGateway();
  const { url } = gateway;
  await post(`${url}/v1/events`, eventOf('a', 'ann'), { traceparent });
  await decided(url, 'ann');
  await post(`${url}/v1/events`, eventOf('b', 'ann'));
  await post(`${url}/v1/events`, eventOf('c', 'ann'), {
    traceparent: traceparent.replace(/01$/, '00'),
  });
  const headers = await headersOf(gateway);
  expect(headers.map((one) => one['traceparent'])).toEqual([traceparent, undefined, undefined]);
});
