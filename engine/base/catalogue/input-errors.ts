/** Files and sources that are read. */
import type { CatalogueEntry } from './catalogue-entry.ts';

export const inputErrors = {
  INPUT_MISSING: {
    message: 'input file {file} cannot be read: {problem}',
    remedy: 'check the path and its permissions',
    exitCode: 2,
  },
  INPUT_BROKEN: {
    message: 'input file {file}: {problem}',
    remedy:
      'everything before the break was taken in; mend the file from there on and start again to go on',
    exitCode: 1,
  },
  INPUT_REFUSED: {
    message: 'all {rows} rows of the input were refused; each is a dead letter with its reason',
    remedy: 'see why with `millrace dead-letters`, and correct the mapping or the file',
    exitCode: 1,
  },
  INPUT_CHANGED: {
    message: 'input file {file} is not the one read before: {problem}',
    remedy:
      'rows that were taken stay taken: put the file back as it was to go on with it, or give the changed one another name to take it in as a new file; to have the changed one in its place, take all files in once more, from nothing (option `fresh`) or into another folder (option `data`)',
    exitCode: 2,
  },
  LOAD_INTERRUPTED: {
    message: 'the load was interrupted after {rows} rows; there is no manifest',
    remedy: 'run it again: it goes on behind what was taken in',
    exitCode: 1,
  },
  SOURCE_UNAVAILABLE: {
    message: 'source {source} does not answer: {problem}',
    remedy:
      'look at the other side and the network; it is asked again, and nothing is lost meanwhile',
    exitCode: 1,
  },
  SOURCE_REFUSED: {
    message: 'source {source} cannot be read: {problem}',
    remedy:
      'correct address, credentials or rights, and try it with `millrace sources test`; nothing is lost meanwhile',
    exitCode: 2,
  },
  SOURCE_CHANGED: {
    message: 'source {source} was of {before} before, and is of {now} now',
    remedy: 'give it another name: the position that is kept under this one belongs to the other',
    exitCode: 2,
  },
} as const satisfies Record<string, CatalogueEntry>;
