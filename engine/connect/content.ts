/**
 * The bytes of an input: a file or standard input, plain or gzip. The only place that opens inputs.
 */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { MillraceError, messageOf } from '../base/errors.ts';

/** The name of standard input among the files. */
export const standardInput = '-';

const chunkBytes = 256 * 1024;
const gzipMagic = [0x1f, 0x8b] as const;

/**
 * The content of a file in chunks, decompressed if it starts with the gzip magic. Throws
 * INPUT_MISSING if it cannot be read, INPUT_BROKEN if gzip data is damaged, truncated, or followed
 * by something else.
 */
export async function* contentOf(file: string): AsyncGenerator<Buffer> {
  let content = 0;
  try {
    for await (const chunk of unzipped(file)) {
      yield chunk;
      content += chunk.byteLength;
    }
  } catch (error) {
    throw inputError(file, error, content);
  }
}

async function* unzipped(file: string): AsyncGenerator<Buffer> {
  const raw = rawOf(file);
  let head: Buffer = Buffer.alloc(0);
  while (head.byteLength < gzipMagic.length) {
    const { value, done } = await raw.next();
    if (done === true) break;
    head = Buffer.concat([head, value]);
  }
  const isGzip = gzipMagic.every((byte, i) => head[i] === byte);
  if (!isGzip) {
    if (head.byteLength === 0 && file.endsWith('.gz')) {
      throw Object.assign(new Error('it is empty'), { code: 'Z_BUF_ERROR' });
    }
    if (head.byteLength > 0) yield head;
    yield* raw;
    return;
  }
  const whole = async function* () {
    yield head;
    yield* raw;
  };
  const gunzip = createGunzip({ chunkSize: chunkBytes });
  const source = Readable.from(whole());
  source.on('error', (error) => gunzip.destroy(error));
  yield* chunksOf(source.pipe(gunzip));
}

/**
 * The chunks of a stream. If it fails, the chunks before the failure are yielded before the error.
 */
async function* chunksOf(stream: Readable): AsyncGenerator<Buffer> {
  const chunks: Buffer[] = [];
  let [isOver, failure]: [boolean, unknown] = [false, undefined];
  let wake = () => {};
  stream.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    stream.pause();
    wake();
  });
  stream.on('error', (error) => {
    [isOver, failure] = [true, error];
    wake();
  });
  stream.on('end', () => {
    isOver = true;
    wake();
  });
  try {
    for (;;) {
      const chunk = chunks.shift();
      if (chunk !== undefined) yield chunk;
      else if (failure !== undefined) throw failure;
      else if (isOver) return;
      else {
        const news = new Promise<void>((resolve) => {
          wake = resolve;
        });
        stream.resume();
        await news;
      }
    }
  } finally {
    stream.destroy();
  }
}

/** All of standard input, if it must be read more than once. */
let held: Buffer[] | undefined;

/**
 * Reads standard input to its end and keeps it in memory, so that it can be read again like a file.
 */
export async function holdStandardInput(): Promise<void> {
  if (held !== undefined) return;
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  held = chunks;
}

async function* rawOf(file: string): AsyncGenerator<Buffer> {
  if (file === standardInput && held !== undefined) {
    yield* held;
    return;
  }
  const stream =
    file === standardInput ? process.stdin : createReadStream(file, { highWaterMark: chunkBytes });
  for await (const chunk of stream) yield chunk as Buffer;
}

/** Size of a file in bytes; 0 of standard input; throws INPUT_MISSING. */
export async function fileSize(file: string): Promise<number> {
  if (file === standardInput) return 0;
  try {
    const found = await stat(file);
    if (!found.isFile()) throw new Error('it is not a file');
    return found.size;
  } catch (error) {
    throw new MillraceError('INPUT_MISSING', { file, problem: messageOf(error) });
  }
}

function inputError(file: string, error: unknown, content: number): unknown {
  if (!(error instanceof Error) || error instanceof MillraceError) return error;
  const code = (error as NodeJS.ErrnoException).code ?? '';
  if (code.startsWith('Z_')) {
    const problem = `its gzip data is damaged or cut off after ${content} bytes of content`;
    return new MillraceError('INPUT_BROKEN', { file, problem });
  }
  if (!code.startsWith('E') || code.startsWith('ERR_')) return error;
  return new MillraceError('INPUT_MISSING', { file, problem: error.message });
}
