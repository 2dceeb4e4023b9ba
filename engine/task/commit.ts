/**
 * The steps of a commit and of a hand-over of partitions (docs/RELIABILITY.md). Kill points, the
 * simulation and the stage clock use their keys. A hand-over happens between two commits, so there
 * is nothing to drain.
 */
export const commitSteps = {
  C1: 'C1 pull batch',
  C2: 'C2 process and seal',
  C3: 'C3 begin',
  C4: 'C4 append outputs and changelog',
  C5: 'C5 appends accepted',
  C6: 'C6 add offsets and commit id',
  C7: 'C7 commit transaction',
  C8: 'C8 tell the tasks',
  C9: 'C9 done',
} as const;

export const handOverSteps = {
  R1: 'R1 stop reading',
  R5: 'R5 close tasks',
  R6: 'R6 let the partitions go',
} as const;

export type Step = keyof typeof commitSteps | keyof typeof handOverSteps;

/** Called before each step; a test or the simulator may stop the world there. */
export type StepHook = (step: Step) => void | Promise<void>;
