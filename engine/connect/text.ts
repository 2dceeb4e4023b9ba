/** Reads a file as text: plain or gzip, strictly UTF-8. The only place that opens input files. */
import { isUtf8 } from 'node:buffer';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { TextDecoder } from 'node:util';
import { createGunzip } from 'node:zlib';
import { MillraceError, messageOf } from '../base/errors.ts';

const lineEnd = 0x0a;

/** Chunks of text. Throws INPUT_MISSING or INPUT_BROKEN, naming the file and what is wrong. */
export async function* textOf(file: string): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let bytes = 0;
  // The bytes of a character that the chunk before began.
  let begun: Buffer = Buffer.alloc(0);
  try {
    for await (const chunk of bytesOf(file)) {
      const text = decoded(decoder, chunk);
      if (text === undefined) {
        const lines = wholeLines(Buffer.concat([begun, chunk]));
        bytes += lines.byteLength - begun.byteLength;
        yield lines.toString();
        throw notText();
      }
      yield text;
      bytes += chunk.byteLength;
      begun = beginning(chunk);
    }
    yield decoder.decode();
  } catch (error) {
    throw inputError(file, error, bytes);
  }
}

/** undefined when the bytes are not UTF-8. */
function decoded(decoder: TextDecoder, chunk: Buffer): string | undefined {
  try {
    return decoder.decode(chunk, { stream: true });
  } catch {
    return undefined;
  }
}

/** The lines at the front of a chunk that are UTF-8; a line end is no part of any other character. */
function wholeLines(bytes: Buffer): Buffer {
  let end = 0;
  for (let next = bytes.indexOf(lineEnd); next >= 0; next = bytes.indexOf(lineEnd, end)) {
    if (!isUtf8(bytes.subarray(end, next))) break;
    end = next + 1;
  }
  return bytes.subarray(0, end);
}

/** The first bytes, at the end of a chunk, of a character that the next chunk completes. */
function beginning(chunk: Buffer): Buffer {
  for (let n = 1; n <= Math.min(3, chunk.byteLength); n++) {
    const byte = chunk[chunk.byteLength - n] as number;
    if (byte < 0x80) break;
    if (byte < 0xc0) continue;
    const needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return needed > n ? Buffer.from(chunk.subarray(-n)) : Buffer.alloc(0);
  }
  return Buffer.alloc(0);
}

function notText(): Error {
  return Object.assign(new Error('not UTF-8'), { code: 'ERR_ENCODING_INVALID_ENCODED_DATA' });
}

/** Size of a file in bytes; throws INPUT_MISSING. */
export async function fileSize(file: string): Promise<number> {
  try {
    const found = await stat(file);
    if (!found.isFile()) throw new Error('it is not a file');
    return found.size;
  } catch (error) {
    throw new MillraceError('INPUT_MISSING', { file, problem: messageOf(error) });
  }
}

function bytesOf(file: string): AsyncIterable<Buffer> {
  const raw = createReadStream(file);
  if (!file.endsWith('.gz')) return raw;
  const unzipped = createGunzip();
  raw.on('error', (error) => unzipped.destroy(error));
  return raw.pipe(unzipped);
}

function inputError(file: string, error: unknown, bytes: number): unknown {
  if (!(error instanceof Error)) return error;
  const code = (error as NodeJS.ErrnoException).code ?? '';
  if (code === 'ERR_ENCODING_INVALID_ENCODED_DATA') {
    const problem = `it is not UTF-8 text, after byte ${bytes} of its content`;
    return new MillraceError('INPUT_BROKEN', { file, problem });
  }
  if (code.startsWith('Z_')) {
    const problem = `its gzip data is damaged or cut off after ${bytes} bytes of content`;
    return new MillraceError('INPUT_BROKEN', { file, problem });
  }
  if (error instanceof MillraceError || !code.startsWith('E')) return error;
  return new MillraceError('INPUT_MISSING', { file, problem: error.message });
}
