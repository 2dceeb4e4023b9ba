/**
 * The steps of a commit and of a hand-over of partitions (docs/RELIABILITY.md). Kill points, the
 * simulation and the stage clock use their keys. A hand-over happens between two commits, so there
 * is nothing to drain.
 */
export const commitSteps = {
  read: 'read a batch of every partition',
  process: 'process it, and seal what changed',
  begin: 'begin the transaction',
  append: 'append outputs, changelogs and dead letters',
  flush: 'all appends are accepted',
  offsets: 'add the offsets and the commit id',
  commit: 'commit the transaction',
  acknowledge: 'acknowledge the commit to the tasks',
  done: 'the next cycle may begin',
} as const;

export const handOverSteps = {
  'stop-reading': 'stop reading the partitions',
  'close-tasks': 'close their tasks',
  'let-go': 'let the partitions go',
} as const;

export type Step = keyof typeof commitSteps | keyof typeof handOverSteps;

/** Called before each step; a test or the simulator may stop the world there. */
export type StepHook = (step: Step) => void | Promise<void>;
