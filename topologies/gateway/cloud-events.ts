/**
 * CloudEvents 1.0 over HTTP in its three forms: structured (one event in JSON), batch (a list), and
 * binary (attributes in `ce-` headers, the data in the body). The row of an event has its
 * attributes and `data`. cloudevents.io: HTTP protocol binding 1.0.2, JSON event format 1.0.2.
 */
import type { Row } from '../ingest/row-fields.ts';
import { BodyError, innerJson, jsonBody, utf8Text } from './body.ts';

export interface CloudEventsBody {
  readonly contentType: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
  readonly depthMax: number;
}

/** Undefined when the request is not a CloudEvents one. @throws BodyError */
export function cloudEvents(request: CloudEventsBody): Row[] | undefined {
  const { contentType, headers, body, depthMax } = request;
  if (contentType === 'application/cloudevents-batch+json') {
    const list = jsonBody(body, depthMax);
    if (Array.isArray(list)) return list.map((event) => structured(event, depthMax));
    throw new BodyError(400, 'a batch must be a list of events');
  }
  if (contentType === 'application/cloudevents+json') {
    return [structured(jsonBody(body, depthMax), depthMax)];
  }
  if (contentType.startsWith('application/cloudevents')) {
    throw new BodyError(415, `${contentType} is not accepted; CloudEvents come in JSON`);
  }
  return headers['ce-specversion'] === undefined ? undefined : [binary(request)];
}

/** Mistakes are reported for each event, so every event has a row. */
function structured(event: unknown, depthMax: number): Row {
  if (typeof event !== 'object' || event === null || Array.isArray(event)) {
    return { '(problem)': 'is not an object' };
  }
  const { data_base64: base64, ...row } = event as Record<string, unknown>;
  const problem = attributeProblem(row);
  if (problem !== undefined) return { '(problem)': problem };
  if (typeof base64 !== 'string') return row;
  try {
    const data = Buffer.from(base64, 'base64');
    return { ...row, data: parsedData(data, row['datacontenttype'], depthMax) };
  } catch (error) {
    if (!(error instanceof BodyError)) throw error;
    return { '(problem)': error.message.replace('the body', 'data_base64') };
  }
}

function binary({ headers, body, contentType, depthMax }: CloudEventsBody): Row {
  const row: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith('ce-') && typeof value === 'string') row[name.slice(3)] = decoded(value);
  }
  const problem = attributeProblem(row);
  if (problem !== undefined) throw new BodyError(400, problem);
  row['datacontenttype'] = contentType;
  row['data'] = parsedData(body, contentType, depthMax);
  return row;
}

/** Header values are percent-encoded when they are not printable ASCII (3.1.3.2). */
function decoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}

const required = ['id', 'source', 'specversion', 'type'];

function attributeProblem(row: Record<string, unknown>): string | undefined {
  const missing = required.filter((name) => typeof row[name] !== 'string' || row[name] === '');
  if (missing.length > 0) return `lacks ${missing.join(', ')}, which CloudEvents need`;
  return row['specversion'] === '1.0' ? undefined : 'is not of specversion 1.0';
}

/**
 * JSON when the content type says so, or when it is absent and the data is JSON. @throws BodyError
 */
function parsedData(body: Buffer, contentType: unknown, depthMax: number): unknown {
  if (body.byteLength === 0) return undefined;
  const text = utf8Text(body);
  const told = typeof contentType === 'string' && contentType !== '';
  if (told && !/json/i.test(contentType)) return text;
  const parsed = innerJson(text, depthMax);
  if ('value' in parsed) return parsed.value;
  if (!told && parsed.why === 'not_json') return text;
  throw new BodyError(400, `the body ${parsed.problem}`, parsed.why);
}
