/**
 * The commit ledger: beside a task's committed offset stands which commit that was, and in which
 * commit each of its stores changed last. The same numbers lie at the head of each changelog commit
 * and in the state itself. A transaction that was torn (docs/RELIABILITY.md: a late commit or abort
 * that hits the next transaction) leaves them different; the task is not run then.
 *
 * Format: '<commit>' ' ' '<commit of store 0>,<commit of store 1>,…' ' ' '<CRC-32C of their
 * names>', in the order of the task's stores. What was written for other stores, by a topology
 * before, says nothing of them.
 *
 * Beside each source's offset stands how far its time has come (time/watermark.ts), as ' t=<text>';
 * alone, or after the ledger entry. Before it, ' w=<offset>' says that the records up to there are
 * read, and wait for a witness of their time.
 */
import { crc32c } from '../base/crc32c.ts';

export interface LedgerEntry {
  readonly commitId: number;
  readonly stores: readonly number[];
}

/** @param names of the task's stores */
export function encodeLedger({ commitId, stores }: LedgerEntry, names: readonly string[]): string {
  return `${commitId} ${stores.join(',')} ${checkOf(names)}`;
}

/**
 * Undefined when the text is missing or another's; without stores when it is of others than
 * `names`.
 */
export function decodeLedger(
  text: string | undefined,
  names: readonly string[],
): LedgerEntry | undefined {
  const match = /^(\d+) ((?:\d+(?:,\d+)*)?) ([0-9a-f]+)(?: w=\S+)?(?: t=\S+)?$/.exec(text ?? '');
  if (match === null) return undefined;
  const other = match[3] !== checkOf(names);
  const stores = match[2] === '' || other ? [] : (match[2] as string).split(',').map(Number);
  return { commitId: Number(match[1]), stores };
}

/**
 * Metadata of an offset: the ledger's entry, where it is the task's first, and what is known of the
 * source.
 */
export function offsetMetadata(
  ledger: string,
  {
    time = '',
    waitsTo,
  }: { readonly time?: string | undefined; readonly waitsTo?: number | undefined },
): string | undefined {
  const waits = waitsTo === undefined ? '' : ` w=${waitsTo}`;
  const text = `${ledger}${waits}${time === '' ? '' : ` t=${time}`}`;
  return text === '' ? undefined : text;
}

/**
 * Up to where the records behind a committed offset wait for a witness of their time; undefined
 * when they do not.
 */
export function waitsToOf(text: string | undefined): number | undefined {
  const found = / w=(\d+)(?: |$)/.exec(text ?? '')?.[1];
  return found === undefined ? undefined : Number(found);
}

/** The source's time in an offset's metadata; '' when there is none. */
export function timeOf(text: string | undefined): string {
  return / t=(\S+)$/.exec(text ?? '')?.[1] ?? '';
}

function checkOf(names: readonly string[]): string {
  return crc32c(Buffer.from(names.join(','))).toString(16);
}
