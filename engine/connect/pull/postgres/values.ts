/** Converts values of PostgreSQL to JSON without rounding. */
import type { CustomTypesConfig } from 'pg';
import { parseJson } from '../../../serde/faithful-json.ts';

const types = {
  bool: 16,
  int2: 21,
  int4: 23,
  oid: 26,
  json: 114,
  float4: 700,
  float8: 701,
  date: 1_082,
  timestamp: 1_114,
  timestamptz: 1_184,
  jsonb: 3_802,
};

const readers: Readonly<Record<number, (text: string) => unknown>> = {
  [types.bool]: (text) => text === 't',
  [types.int2]: Number,
  [types.int4]: Number,
  [types.oid]: Number,
  [types.float4]: numberOrText,
  [types.float8]: numberOrText,
  [types.json]: jsonOrText,
  [types.jsonb]: jsonOrText,
  [types.timestamp]: (text) => text.replace(' ', 'T'),
  // The session's zone is UTC.
  [types.timestamptz]: (text) => text.replace(' ', 'T').replace(/\+00(:00)?$/, 'Z'),
};

/** 64-bit integers, decimals and all other types stay text. */
export const faithfulTypes: CustomTypesConfig = {
  getTypeParser: ((id: number) => readers[id] ?? ((text: string) => text)) as never,
};

/** JSON has no NaN and Infinity. */
function numberOrText(text: string): unknown {
  const value = Number(text);
  return Number.isFinite(value) ? value : text;
}

function jsonOrText(text: string): unknown {
  const parsed = parseJson(text);
  return 'value' in parsed ? parsed.value : text;
}
