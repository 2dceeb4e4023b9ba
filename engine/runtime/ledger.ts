/**
 * The commit ledger: a task's committed offset is stored with the commit id, and with the last
 * commit that changed each of its stores. The same ids are at the head of each changelog commit and
 * in the state. A torn transaction (docs/RELIABILITY.md: a late commit or abort that hits the next
 * transaction) makes them differ; then the task is not run.
 *
 * Format: '<commit>' ' ' '<commit of store 0>,<commit of store 1>,…' ' ' '<CRC-32C of their
 * names>', in the order of the task's stores. An entry written for other stores, by an earlier
 * topology, is ignored for the stores.
 *
 * Each source's offset is stored with its time (time/watermark.ts), as ' t=<text>', alone or after
 * the ledger entry. Before it, ' w=<offset>' means that the records up to that offset have been
 * read and wait for a witness of their time.
 */
import { type CommitId, commitIdOf } from '../base/commit-id.ts';
import { crc32c } from '../base/crc32c.ts';

export interface LedgerEntry {
  readonly commitId: CommitId;
  /** The last commit that changed each store; 0: none did. */
  readonly stores: readonly CommitId[];
}

/** @param names names of the task's stores */
export function encodeLedger({ commitId, stores }: LedgerEntry, names: readonly string[]): string {
  return `${commitId} ${stores.join(',')} ${checkOf(names)}`;
}

/**
 * Decodes an entry; undefined if the text is missing or foreign; without stores if it is for stores
 * other than `names`.
 */
export function decodeLedger(
  text: string | undefined,
  names: readonly string[],
): LedgerEntry | undefined {
  const match = /^(\d+) ((?:\d+(?:,\d+)*)?) ([0-9a-f]+)(?: w=\S+)?(?: t=\S+)?$/.exec(text ?? '');
  if (match === null) return undefined;
  const other = match[3] !== checkOf(names);
  const stores = match[2] === '' || other ? [] : (match[2] as string).split(',').map(storedId);
  return { commitId: storedId(match[1] as string), stores };
}

const storedId = (digits: string): CommitId => commitIdOf(Number(digits));

/**
 * Metadata of an offset: the ledger entry, if it is the task's first source, and the state of the
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
 * End offset of the records after a committed offset that wait for a witness of their time;
 * undefined if none wait.
 */
export function waitsToOf(text: string | undefined): number | undefined {
  const found = / w=(\d+)(?: |$)/.exec(text ?? '')?.[1];
  return found === undefined ? undefined : Number(found);
}

/** The source's time in an offset's metadata; '' if there is none. */
export function timeOf(text: string | undefined): string {
  return / t=(\S+)$/.exec(text ?? '')?.[1] ?? '';
}

function checkOf(names: readonly string[]): string {
  return crc32c(Buffer.from(names.join(','))).toString(16);
}
