/** Errors of state, changelogs and commits. */
import type { CatalogueEntry } from './catalogue-entry.ts';

export const stateErrors = {
  LEDGER_MISMATCH: {
    message:
      'task {task}: store {store} changed last in commit {actual} by its changelog, in commit {expected} by the committed offsets',
    remedy:
      'a transaction was torn in the log, so nothing is run on it. Restore offsets and changelog of the same instant, or reset the application',
    exitCode: 3,
  },
  COMMIT_DOUBTFUL: {
    message: 'commit {commitId} failed or its outcome is not known: {problem}',
    remedy: 'nothing is lost; the tasks continue from the last known commit',
    exitCode: 1,
  },
  STATE_CORRUPT: {
    message: 'state damaged: task {task} store {store}: {problem}',
    remedy:
      'none is needed: the state in {directory} is wiped and restored from its changelog; if this happens repeatedly, check the disk',
    exitCode: 3,
  },
  STATE_FOREIGN: {
    message: 'the state in {directory} is that of {found}, not of {wanted}',
    remedy:
      'none is needed: it is wiped, and restored from its changelog; give each application, and each process, a data folder of its own',
    exitCode: 3,
  },
  STORE_CORRUPT: {
    message: 'the database in {directory} is damaged: {problem}',
    remedy:
      'state is wiped and restored automatically; for a log, restore the data directory from a copy',
    exitCode: 3,
  },
  STATE_UNAVAILABLE: {
    message: 'the store in {directory} cannot be used: {problem}',
    remedy: 'check that the directory is writable and has free space; committed work is safe',
    exitCode: 1,
  },
  BACKEND_MISSING: {
    message: 'the state backend {backend} cannot be loaded: {problem}',
    remedy: '{remedy}',
    exitCode: 1,
  },
  STATE_AHEAD: {
    message: 'state of task {task} is ahead of its changelog ({problem})',
    remedy: 'log and state do not belong together: delete {directory} to rebuild it from the log',
    exitCode: 3,
  },
  CHANGELOG_CORRUPT: {
    message: 'changelog {topic} partition {partition} offset {offset}: {problem}',
    remedy: 'restore the data directory from a copy; the state was not changed',
    exitCode: 3,
  },
  STATE_MOVED: {
    message: 'the task {task} was closed during the query',
    remedy: 'try again: the task is reopened, here or in another process',
    exitCode: 1,
  },
  STATE_AWAY: {
    message: 'no process has the rows of {table} now: {problem}',
    remedy:
      'try again in a moment: the tasks are being opened, restored or moved to another process',
    exitCode: 1,
  },
  RESET_UNFINISHED: {
    message: 'a reset of {application} was interrupted',
    remedy: 'run `millrace reset --yes` again to finish it; it does not touch the input',
    exitCode: 2,
  },
} as const satisfies Record<string, CatalogueEntry>;
