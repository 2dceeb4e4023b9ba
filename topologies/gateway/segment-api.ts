/**
 * The HTTP API of Segment, used by its SDKs and those of RudderStack. segment.com/docs: "HTTP
 * Tracking API source": types, batch, limits, and how `sentAt` corrects timestamps.
 */
import { BodyError } from './body.ts';

const typeOfPath: Readonly<Record<string, string>> = {
  track: 'track',
  t: 'track',
  identify: 'identify',
  i: 'identify',
  page: 'page',
  p: 'page',
  screen: 'screen',
  s: 'screen',
  group: 'group',
  g: 'group',
  alias: 'alias',
  a: 'alias',
};

/** Last parts of the paths, after `/v1/`. */
export const segmentPaths = ['batch', 'b', 'import', ...Object.keys(typeOfPath)];

/** The write key that a body names, as those of browsers and phones do. */
export function writeKeyOf(body: unknown): unknown {
  return isObject(body) ? body['writeKey'] : undefined;
}

/** @returns the calls of a request as rows of the mapping `segment-spec` @throws BodyError 400 */
export function segmentCalls(path: string, body: unknown, receivedAt: number): object[] {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new BodyError(400, 'the body must be an object');
  }
  const { batch, sentAt, context, ...call } = body as Record<string, unknown>;
  const type = typeOfPath[path];
  if (type !== undefined) {
    const row = { ...call, ...(context === undefined ? {} : { context }), type };
    return [corrected(row, sentAt, receivedAt)];
  }
  if (!Array.isArray(batch)) throw new BodyError(400, 'batch must be a list of calls');
  return batch.map((one) => {
    if (typeof one !== 'object' || one === null || Array.isArray(one)) {
      return { '(problem)': 'is not an object' };
    }
    const own = one as Record<string, unknown>;
    // The context beside the batch holds for every call in it.
    const shared = isObject(context)
      ? { context: { ...context, ...asObject(own['context']) } }
      : {};
    return corrected({ ...own, ...shared }, own['sentAt'] ?? sentAt, receivedAt);
  });
}

/**
 * The time by our clock: received - (sent - original), so that an error of the sender's clock
 * cancels out.
 */
function corrected(call: Record<string, unknown>, sentAt: unknown, receivedAt: number): object {
  const { writeKey: _, ...row } = call;
  const told = row['originalTimestamp'] ?? row['timestamp'];
  const [original, sent] = [instantOf(told), instantOf(sentAt)];
  const received = new Date(receivedAt).toISOString();
  if (told === undefined || told === null)
    return { ...row, timestamp: received, receivedAt: received };
  if (original === undefined) return row;
  const at = sent === undefined ? original : receivedAt - (sent - original);
  const timestamp = new Date(Math.max(0, at)).toISOString();
  return { ...row, originalTimestamp: told, timestamp, receivedAt: received };
}

function instantOf(value: unknown): number | undefined {
  if (typeof value !== 'string' || !/^\d{4}-\d\d-\d\dT/.test(value)) return undefined;
  const at = Date.parse(value);
  return Number.isFinite(at) ? at : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function asObject(value: unknown): Record<string, unknown> {
  return isObject(value) ? value : {};
}
