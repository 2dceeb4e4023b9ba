/** Errors of a topology and of its author's code. */
import type { CatalogueEntry } from './catalogue-entry.ts';

export const topologyErrors = {
  TOPOLOGY_INVALID: {
    message: 'topology {topology} cannot be built:\n{problems}',
    remedy: 'correct the lines named above',
    exitCode: 2,
  },
  TOPOLOGY_MODULE: {
    message: 'topology module {module} could not be loaded: {problem}',
    remedy: 'correct the module; its stack (option `stack`) says where it fails',
    exitCode: 2,
  },
  TOPOLOGY_CHANGED: {
    message:
      'the topology in the worker ({actual}) differs from the one on the main thread ({expected})',
    remedy: 'make the module build the same graph each time it is loaded',
    exitCode: 2,
  },
  STATE_INCOMPATIBLE: {
    message: 'this topology cannot continue with the state of {application}:\n{problems}',
    remedy:
      'run the earlier topology, or rename the changed steps and leave the old store behind (option `orphans`); `millrace plan` shows all changes',
    exitCode: 2,
  },
  CYCLE_REPEATED: {
    message: 'task {task}: {step} refused a record that had already changed state: {problem}',
    remedy: 'none is needed: the cycle is repeated from the last commit, without that record',
    exitCode: 1,
  },
  RECORD_FAILED: {
    message:
      '{stage} error at {step}: {problem} (topic {topic} partition {partition} offset {offset})',
    remedy: 'correct the record or the code, or set the error policy to dead-letter',
    exitCode: 1,
  },
  SUPPRESS_FULL: {
    message: 'the buffer of suppress {step} is full: {held}',
    remedy: "raise maxRecords or maxBytes, shorten the time, or set whenFull: 'emit' where it may",
    exitCode: 1,
  },
  UNHANDLED: {
    message: 'unhandled {kind} in user code, {where}: {problem}',
    remedy:
      'a promise there is never awaited: await it in asyncMap, or catch its error; committed work is safe and the next start continues from it',
    exitCode: 1,
  },
  WORKER_FAILED: {
    message: 'worker thread failed {attempts} times, last: {problem}',
    remedy: 'see the last error; committed work is safe and the next start continues from it',
    exitCode: 1,
  },
  TABLE_NOT_KEPT: {
    message: 'table {table} keeps no readable rows: {problem}',
    remedy: 'read the table that it comes from, or write it to a topic and read that as a table',
    exitCode: 2,
  },
  STORE_UNKNOWN: {
    message: 'there is no store {store}; this topology has: {stores}',
    remedy: 'name one of these stores',
    exitCode: 2,
  },
} as const satisfies Record<string, CatalogueEntry>;
