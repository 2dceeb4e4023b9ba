/** Reads a file as text: plain or gzip, strictly UTF-8. The only place that opens input files. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createGunzip } from 'node:zlib';
import { MillraceError, messageOf } from '../base/errors.ts';

/** Chunks of text. Throws INPUT_MISSING or INPUT_BROKEN, naming the file and what is wrong. */
export async function* textOf(file: string): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let bytes = 0;
  try {
    for await (const chunk of bytesOf(file)) {
      yield decoder.decode(chunk, { stream: true });
      bytes += chunk.byteLength;
    }
    yield decoder.decode();
  } catch (error) {
    throw inputError(file, error, bytes);
  }
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
