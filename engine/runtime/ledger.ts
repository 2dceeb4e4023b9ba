/**
 * The commit ledger: beside a task's committed offset stands which commit that was, and in which commit
 * each of its stores changed last. The same numbers lie at the head of each changelog commit and in the
 * state itself. A transaction that was torn (RELIABILITY: a late commit or abort that hits the next
 * transaction) leaves them different; the task is not run then.
 *
 * Format: '<commit>' ' ' '<commit of store 0>,<commit of store 1>,…', in the order of the task's stores.
 */
export interface LedgerEntry {
  readonly commitId: number;
  readonly stores: readonly number[];
}

export function encodeLedger({ commitId, stores }: LedgerEntry): string {
  return `${commitId} ${stores.join(',')}`;
}

/** Undefined when the text is missing or another's. */
export function decodeLedger(text: string | undefined): LedgerEntry | undefined {
  const match = /^(\d+) ((?:\d+(?:,\d+)*)?)$/.exec(text ?? '');
  if (match === null) return undefined;
  const stores = match[2] === '' ? [] : (match[2] as string).split(',').map(Number);
  return { commitId: Number(match[1]), stores };
}
