/** Bodies of requests: decompressed within a limit, as UTF-8, as JSON of bounded depth. */
import { isUtf8 } from 'node:buffer';
import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate } from 'node:zlib';
import { parseJson } from 'millrace';

export type BodyReason =
  | 'not_utf8'
  | 'not_json'
  | 'name_twice'
  | 'too_deep'
  | 'too_large'
  | 'too_many'
  | 'not_unpacked'
  | 'content_type'
  | 'content_encoding'
  | 'body_invalid';

const ofStatus: Readonly<Record<400 | 413 | 415, BodyReason>> = {
  400: 'body_invalid',
  413: 'too_large',
  415: 'content_type',
};

/** A refused body; the status says why. */
export class BodyError extends Error {
  readonly status: 400 | 413 | 415;
  readonly reason: BodyReason;

  constructor(status: 400 | 413 | 415, message: string, reason = ofStatus[status]) {
    super(message);
    this.status = status;
    this.reason = reason;
  }
}

type Unpacker = (bytes: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>;

const unpackers: Readonly<Record<string, Unpacker>> = {
  gzip: promisify(gunzip) as Unpacker,
  'x-gzip': promisify(gunzip) as Unpacker,
  deflate: promisify(inflate) as Unpacker,
  br: promisify(brotliDecompress) as Unpacker,
};

/**
 * @param encoding of the Content-Encoding header
 * @param bytesMax bytes at most, after decompression
 * @throws BodyError 415 for an unknown encoding, 413 for too many bytes, 400 for damaged data
 */
export async function unpackedBody(
  body: Buffer,
  encoding: string | undefined,
  bytesMax: number,
): Promise<Buffer> {
  const name = (encoding ?? 'identity').trim().toLowerCase();
  if (name === 'identity' || name === '') return body;
  const unpack = Object.hasOwn(unpackers, name) ? unpackers[name] : undefined;
  if (unpack === undefined)
    throw new BodyError(415, `the encoding ${name} is not supported`, 'content_encoding');
  try {
    return await unpack(body, { maxOutputLength: bytesMax });
  } catch (error) {
    if ((error as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE') {
      throw new BodyError(413, `the body has more than ${bytesMax} bytes after decompression`);
    }
    throw new BodyError(400, `the body is not ${name}`, 'not_unpacked');
  }
}

/** @throws BodyError 400 for bytes that are not UTF-8 */
export function utf8Text(body: Buffer): string {
  if (!isUtf8(body)) throw new BodyError(400, 'the body is not UTF-8', 'not_utf8');
  // A byte order mark is no part of the text.
  const hasMark = body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf;
  return body.toString('utf8', hasMark ? 3 : 0);
}

/**
 * The value of a JSON body; numbers that a double cannot hold become texts of the same digits.
 * @throws BodyError 400 for text that is not JSON, nests too deep, or names a field twice
 */
export function jsonBody(body: Buffer, depthMax: number): unknown {
  const parsed = innerJson(utf8Text(body), depthMax);
  if ('value' in parsed) return parsed.value;
  throw new BodyError(400, `the body ${parsed.problem}`, parsed.why);
}

/** JSON within a body, by the same rules. */
export type InnerJson =
  | { readonly value: unknown }
  | { readonly problem: string; readonly why: 'not_json' | 'name_twice' | 'too_deep' };

export function innerJson(text: string, depthMax: number): InnerJson {
  if (isDeeper(text, depthMax)) {
    return { problem: `is nested deeper than ${depthMax}`, why: 'too_deep' };
  }
  const parsed = parseJson(text);
  if ('value' in parsed) return parsed;
  const { problem } = parsed;
  return { problem, why: problem.endsWith(' twice') ? 'name_twice' : 'not_json' };
}

/** Checked before parsing: deep nesting costs the parser time and stack. */
function isDeeper(text: string, depthMax: number): boolean {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i);
    if (char === quote) i = endOfText(text, i);
    else if (char === brace || char === bracket) {
      depth++;
      if (depth > depthMax) return true;
    } else if (char === braceEnd || char === bracketEnd) depth--;
  }
  return false;
}

const [quote, backslash] = [0x22, 0x5c];
const [brace, braceEnd, bracket, bracketEnd] = [0x7b, 0x7d, 0x5b, 0x5d];

/** Index of the quote that ends the text beginning at `start`. */
function endOfText(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    const char = text.charCodeAt(i);
    if (char === backslash) i++;
    else if (char === quote) return i;
  }
  return text.length;
}
