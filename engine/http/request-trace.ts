/**
 * The trace of an HTTP request. A request with a sampled `traceparent` (W3C) gets a child span of
 * the caller's, and its records continue below that span. Without a registered tracer there is no
 * span, and records continue below the caller's.
 */
import type { Span } from '@opentelemetry/api';
import { onDemand } from '../base/on-demand.ts';
import type { Headers } from '../record/headers.ts';
import { contextIn, headersOf, registeredTracer } from '../task/tracing.ts';

const library = onDemand<typeof import('@opentelemetry/api')>('@opentelemetry/api');
const sampledForm = /^00-[\da-f]{32}-[\da-f]{16}-[\da-f][13579bdf]$/;
/** W3C requires that 512 characters of `tracestate` are passed on. */
const stateMost = 512;
const serverErrors = 500;

export interface RequestTrace {
  /** The trace headers of the records that the request writes. */
  readonly headers: Headers;
  /** The answer is sent. */
  end(status: number): void;
}

type RequestHeaders = Readonly<Record<string, string | string[] | undefined>>;

/**
 * Undefined for a request that is not traced.
 * @param path as declared, without parameter values, which may identify a person
 */
export function requestTrace(
  method: string,
  path: string,
  { traceparent, tracestate }: RequestHeaders,
): RequestTrace | undefined {
  if (typeof traceparent !== 'string' || !sampledForm.test(traceparent)) return undefined;
  const hasState = typeof tracestate === 'string' && tracestate.length <= stateMost;
  const given = { traceparent, ...(hasState ? { tracestate } : {}) };
  const tracer = registeredTracer();
  if (tracer === undefined) return { headers: given, end: () => {} };
  const parent = contextIn(given);
  if (parent === undefined) return undefined;
  const { ROOT_CONTEXT, SpanKind, trace } = library();
  const span = tracer.startSpan(
    `${method} ${path}`,
    {
      kind: SpanKind.SERVER,
      attributes: { 'http.request.method': method, 'http.route': path },
    },
    trace.setSpanContext(ROOT_CONTEXT, parent),
  );
  return { headers: { ...headersOf(span.spanContext()) }, end: (status) => end(span, status) };
}

function end(span: Span, status: number): void {
  span.setAttribute('http.response.status_code', status);
  if (status >= serverErrors) span.setStatus({ code: library().SpanStatusCode.ERROR });
  span.end();
}
