/** Bodies of requests: decompressed within a limit, as UTF-8, as JSON of bounded depth. */
import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate } from 'node:zlib';

/** A body that is refused, with the status that says why. */
export class BodyError extends Error {
  readonly status: 400 | 413 | 415;

  constructor(status: 400 | 413 | 415, message: string) {
    super(message);
    this.status = status;
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
 * @throws BodyError 415 for an encoding that is not known, 413 for too many bytes, 400 for damage
 */
export async function unpackedBody(
  body: Buffer,
  encoding: string | undefined,
  bytesMax: number,
): Promise<Buffer> {
  const name = (encoding ?? 'identity').trim().toLowerCase();
  if (name === 'identity' || name === '') return body;
  const unpack = Object.hasOwn(unpackers, name) ? unpackers[name] : undefined;
  if (unpack === undefined) throw new BodyError(415, `the encoding ${name} is not known`);
  try {
    return await unpack(body, { maxOutputLength: bytesMax });
  } catch (error) {
    if ((error as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE') {
      throw new BodyError(413, `the body has more than ${bytesMax} bytes when it is unpacked`);
    }
    throw new BodyError(400, `the body is not ${name}`);
  }
}

/** @throws BodyError 400 for what is not UTF-8 */
export function utf8Text(body: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    throw new BodyError(400, 'the body is not UTF-8');
  }
}

/** @throws BodyError 400 for what is not JSON, is nested too deep, or names a field twice */
export function jsonBody(body: Uint8Array, depthMax: number): unknown {
  const text = utf8Text(body);
  const problem = nestingProblem(text, depthMax);
  if (problem !== undefined) throw new BodyError(400, problem);
  try {
    return JSON.parse(text);
  } catch {
    throw new BodyError(400, 'the body is not JSON');
  }
}

/**
 * Looks at the text before it is parsed: deep nesting costs the parser time and stack, and of a
 * field that stands twice in an object the parser would keep the last in silence.
 */
function nestingProblem(text: string, depthMax: number): string | undefined {
  const names: (Set<string> | undefined)[] = [];
  // True where a text is a field's name: after `{` or `,` of an object.
  let name = false;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === '"') {
      const end = endOfText(text, i);
      const fields = names[names.length - 1];
      if (name && fields !== undefined) {
        const field = text.slice(i, end);
        if (fields.has(field)) return `the field ${field.slice(0, 100)}" stands twice in an object`;
        fields.add(field);
        name = false;
      }
      i = end;
    } else if (char === '{' || char === '[') {
      names.push(char === '{' ? new Set() : undefined);
      if (names.length > depthMax) return `the body is nested deeper than ${depthMax}`;
      name = char === '{';
    } else if (char === '}' || char === ']') {
      names.pop();
      name = false;
    } else if (char === ',') name = names[names.length - 1] !== undefined;
  }
  return undefined;
}

/** Index of the quote that ends the text which begins at `start`. */
function endOfText(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    if (text[i] === '\\') i++;
    else if (text[i] === '"') return i;
  }
  return text.length;
}
