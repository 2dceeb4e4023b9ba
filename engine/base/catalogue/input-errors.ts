/** Errors of input files and sources. */
import type { CatalogueEntry } from './catalogue-entry.ts';

export const inputErrors = {
  INPUT_MISSING: {
    message: 'input file {file} cannot be read: {problem}',
    remedy: 'check the path and its permissions',
    exitCode: 2,
  },
  INPUT_BROKEN: {
    message: 'input file {file}: {problem}',
    remedy: 'the rows before the break were read; repair the file from there on and start again',
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
      'rows that were read stay: restore the file to continue with it, or rename the changed file to read it as a new one; to replace its rows, read all files again, from nothing (option `fresh`) or into another folder (option `data`)',
    exitCode: 2,
  },
  LOAD_INTERRUPTED: {
    message: 'the load was interrupted after {rows} rows; there is no manifest',
    remedy: 'run it again: it continues after the rows that were read',
    exitCode: 1,
  },
  SOURCE_UNAVAILABLE: {
    message: 'source {source} does not respond: {problem}',
    remedy:
      'check the source and the network; the request is retried, and nothing is lost meanwhile',
    exitCode: 1,
  },
  SOURCE_REFUSED: {
    message: 'source {source} cannot be read: {problem}',
    remedy:
      'correct address, credentials or rights, and try it with `millrace sources test`; nothing is lost meanwhile',
    exitCode: 2,
  },
  SOURCE_CHANGED: {
    message: 'source {source} read {before} before, and reads {now} now',
    remedy: 'give it another name: the position stored under this name belongs to the other source',
    exitCode: 2,
  },
} as const satisfies Record<string, CatalogueEntry>;
