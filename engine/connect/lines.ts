/**
 * Lines of a text file, strictly UTF-8. A line ends with LF, CRLF or CR, also mixed in one file.
 */
import { isAscii, isUtf8 } from 'node:buffer';
import { MillraceError } from '../base/errors.ts';
import { contentOf } from './content.ts';
import type { Fingerprint } from './content-fingerprint.ts';

/** Longest row, in characters: a missing quote or line end must not fill the memory. */
export const rowLengthMax = 1024 * 1024;

export interface Line {
  readonly text: string;
  /** '\n', '\r\n', '\r', or '' for the last line of a file that does not end with a line end. */
  readonly eol: string;
  /** Where the text begins and ends in the content, in bytes; the line end comes after. */
  readonly start: number;
  readonly end: number;
  /** From 1. */
  readonly number: number;
}

const lf = 0x0a;
const cr = 0x0d;
const bom = '\uFEFF';

/**
 * Yields the lines of a file in blocks. Throws INPUT_MISSING, or INPUT_BROKEN after the last
 * complete line: not UTF-8, a line that is too long, damaged gzip data.
 * @param fingerprint receives the bytes of the lines before they are yielded
 */
export async function* linesOf(file: string, fingerprint?: Fingerprint): AsyncGenerator<Line[]> {
  const splitter = new Splitter(file);
  let pending: Buffer[] = [];
  let size = 0;
  const blockOf = (bytes: Buffer) => {
    fingerprint?.add(bytes);
    return splitter.split(bytes);
  };
  for await (const chunk of contentOf(file)) {
    const cut = lastLineEnd(chunk) + 1;
    if (cut === 0) {
      pending.push(chunk);
      size += chunk.byteLength;
      if (size > rowLengthMax) {
        const bytes = Buffer.concat(pending);
        pending = [bytes];
        splitter.checkLength(bytes.toString());
      }
      continue;
    }
    const bytes = Buffer.concat([...pending, chunk.subarray(0, cut)]);
    pending = cut < chunk.byteLength ? [Buffer.from(chunk.subarray(cut))] : [];
    size = chunk.byteLength - cut;
    const { lines, error } = blockOf(bytes);
    if (lines.length > 0) yield lines;
    if (error !== undefined) throw error;
  }
  if (size === 0) return;
  const { lines, error } = blockOf(Buffer.concat(pending));
  if (lines.length > 0) yield lines;
  if (error !== undefined) throw error;
}

/**
 * Index of the last byte that certainly ends a line; -1 without one. A CR at the end may be half of
 * a CRLF.
 */
function lastLineEnd(bytes: Buffer): number {
  const found = bytes.lastIndexOf(lf);
  if (found >= 0) return found;
  return bytes.byteLength < 2 ? -1 : bytes.lastIndexOf(cr, bytes.byteLength - 2);
}

interface Split {
  readonly lines: Line[];
  readonly error?: MillraceError;
}

class Splitter {
  readonly #file: string;
  /** Bytes of the content before the next block, and the number of its first line. */
  #offset = 0;
  #number = 1;

  constructor(file: string) {
    this.#file = file;
  }

  /**
   * The lines of the next block. A line that is not UTF-8 or too long ends the block with an error.
   */
  split(bytes: Buffer): Split {
    if (isAscii(bytes)) return this.#lines(bytes.toString('latin1'), true);
    if (isUtf8(bytes)) return this.#lines(bytes.toString(), false);
    const { lines, offset } = this.#wholeLines(bytes);
    const from = bytes.subarray(0, 2);
    const isUtf16 = offset === 0 && (from.equals(utf16Le) || from.equals(utf16Be));
    const problem = isUtf16
      ? 'it is UTF-16 text: convert it to UTF-8'
      : `it is not UTF-8 text, after byte ${offset} of its content, in line ${this.#number}`;
    return { lines, error: new MillraceError('INPUT_BROKEN', { file: this.#file, problem }) };
  }

  /** The leading lines that are UTF-8, and where they end in the content. */
  #wholeLines(bytes: Buffer): Split & { readonly offset: number } {
    let end = 0;
    for (let next = bytes.indexOf(lf); next >= 0; next = bytes.indexOf(lf, end)) {
      if (!isUtf8(bytes.subarray(end, next))) break;
      end = next + 1;
    }
    const split = end === 0 ? { lines: [] } : this.#lines(bytes.toString('utf8', 0, end), false);
    return { ...split, offset: this.#offset };
  }

  checkLength(text: string): void {
    if (text.length <= rowLengthMax) return;
    throw this.#tooLong(this.#number);
  }

  #tooLong(line: number): MillraceError {
    const problem = `line ${line} is longer than ${rowLengthMax} characters`;
    return new MillraceError('INPUT_BROKEN', { file: this.#file, problem });
  }

  #lines(block: string, isAsciiText: boolean): Split {
    const lines: Line[] = [];
    const hasCr = block.includes('\r');
    let at = 0;
    while (at < block.length) {
      let next = block.indexOf('\n', at);
      let eol = '\n';
      if (next < 0) {
        next = block.length;
        eol = '';
      }
      if (hasCr) {
        const found = block.indexOf('\r', at);
        if (found >= 0 && found < next) {
          eol = found === next - 1 && eol === '\n' ? '\r\n' : '\r';
          next = found;
        }
      }
      let text = block.slice(at, next);
      const from = this.#offset;
      const bytes = isAsciiText ? text.length : Buffer.byteLength(text);
      // Only at the start of a file; its three bytes are part of the content.
      if (from === 0 && text.startsWith(bom)) text = text.slice(1);
      if (text.length > rowLengthMax) return { lines, error: this.#tooLong(this.#number) };
      lines.push({ text, eol, start: from, end: from + bytes, number: this.#number });
      this.#offset = from + bytes + eol.length;
      this.#number++;
      at = next + eol.length;
    }
    return { lines };
  }
}

const utf16Le = Buffer.from([0xff, 0xfe]);
const utf16Be = Buffer.from([0xfe, 0xff]);
