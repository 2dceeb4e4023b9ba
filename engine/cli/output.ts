/** Output of the command line: tables for people, JSON on request, errors with their remedy. */
import { isMillraceError, messageOf } from '../base/errors.ts';
import { inFlags } from './setting-flags.ts';

/**
 * If the reader of the output closes it, as `head` does, the process ends quietly with its current
 * code. Any other failure of an output is an error. Call once, before anything is printed.
 */
export function endWhenNobodyReads(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit();
    throw error;
  });
  // A run continues if the reader of its messages has closed the output.
  process.stderr.on('error', () => {});
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

export function printJson(value: unknown): void {
  print(jsonText(value, 2));
}

/** JSON in which a Map is written as an object. */
export function jsonText(value: unknown, indent?: number): string {
  const plain = (_: string, one: unknown) => (one instanceof Map ? Object.fromEntries(one) : one);
  return JSON.stringify(value, plain, indent);
}

/** A JSON array, written item by item as items arrive. */
export async function printJsonList(items: AsyncIterable<unknown>): Promise<void> {
  let before = '[';
  for await (const item of items) {
    print(`${before}${JSON.stringify(item, undefined, 2)}`);
    before = ',';
  }
  print(before === '[' ? '[]' : ']');
}

/** A table; numbers are aligned to the right. */
export function table(header: readonly string[], rows: readonly (readonly unknown[])[]): string {
  const lines = [header, ...rows].map((row) => row.map(String));
  const widths = header.map((_, i) => Math.max(...lines.map((line) => line[i]?.length ?? 0)));
  return lines
    .map((line, n) =>
      line
        .map((cell, i) => {
          const right = n > 0 && typeof rows[n - 1]?.[i] === 'number';
          return right ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0);
        })
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

export function instant(ms: number): string {
  return Number.isFinite(ms) ? new Date(ms).toISOString() : '-';
}

/** Prints an error and returns its exit code. */
export function report(error: unknown, withStack: boolean): number {
  const known = isMillraceError(error);
  process.stderr.write(`error${known ? ` ${error.code}` : ''}: ${inFlags(messageOf(error))}\n`);
  if (known) process.stderr.write(`remedy: ${inFlags(error.remedy)}\n`);
  else process.stderr.write('remedy: run again with --stack and report what it prints\n');
  if (withStack && error instanceof Error) {
    process.stderr.write(`${error.stack ?? ''}\n`);
    if (error.cause instanceof Error)
      process.stderr.write(`caused by ${error.cause.stack ?? ''}\n`);
  }
  return known ? error.exitCode : 1;
}
