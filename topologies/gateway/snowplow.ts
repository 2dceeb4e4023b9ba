/**
 * Snowplow's collector protocol: `POST /com.snowplowanalytics.snowplow/tp2` with a list of
 * payloads, and `GET /i` with one in the query. docs.snowplow.io: "Snowplow Tracker Protocol".
 */
import { BodyError, innerJson } from './body.ts';

const payloadSchema = /^iglu:com\.snowplowanalytics\.snowplow\/payload_data\/jsonschema\/1-0-\d+$/;

/** Rows of the mapping `snowplow`. @throws BodyError 400 */
export function snowplowPayloads(body: unknown, receivedAt: number, depthMax: number): object[] {
  const { schema, data } = (body ?? {}) as { schema?: unknown; data?: unknown };
  if (typeof schema !== 'string' || !payloadSchema.test(schema) || !Array.isArray(data)) {
    throw new BodyError(400, 'the body must be a payload_data with a list of payloads in `data`');
  }
  return data.map((one) => snowplowRow(one, receivedAt, depthMax));
}

/** @param payload fields of the protocol, as text */
export function snowplowRow(payload: unknown, receivedAt: number, depthMax: number): object {
  if (typeof payload !== 'object' || payload === null || Array.isArray(payload)) {
    return { '(problem)': 'is not an object' };
  }
  const row = payload as Record<string, unknown>;
  const { ue_px: encoded, ue_pr: plain } = row;
  const selfDescribing =
    typeof encoded === 'string' ? Buffer.from(encoded, 'base64url').toString('utf8') : plain;
  const ue = selfDescribing === undefined ? {} : ueOf(String(selfDescribing), depthMax);
  if ('(problem)' in ue) return ue;
  return {
    ...row,
    ...ue,
    event_time: new Date(derivedTime(row, receivedAt)).toISOString(),
  };
}

/**
 * The true time if the tracker sends it (`ttm`), else by our clock: received - (sent - created),
 * from `stm` and `dtm`, ms since 1970.
 */
function derivedTime(row: Record<string, unknown>, receivedAt: number): number {
  const [exact, created, sent] = ['ttm', 'dtm', 'stm'].map((name) => epochMs(row[name]));
  if (exact !== undefined) return exact;
  if (created === undefined) return receivedAt;
  return Math.max(0, sent === undefined ? created : receivedAt - (sent - created));
}

function epochMs(value: unknown): number | undefined {
  return typeof value === 'string' && /^\d{12,14}$/.test(value) ? Number(value) : undefined;
}

/** Text that is not JSON is left to the mapping, which refuses rows without what it needs. */
function ueOf(text: string, depthMax: number): object {
  const parsed = innerJson(text, depthMax);
  if ('value' in parsed) return { ue: parsed.value };
  if (parsed.why === 'not_json') return {};
  return { '(problem)': `its self-describing event ${parsed.problem}` };
}

/** A transparent picture of one pixel, the answer to `GET /i`. */
export const pixel = Buffer.from(
  'R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7',
  'base64',
);
