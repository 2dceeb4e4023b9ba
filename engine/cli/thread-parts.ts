/**
 * The part of `index.ts` that threads for questions need. Each such thread loads it, so it is
 * small.
 */
export { imageOfError } from '../base/errors.ts';
export { recordsIn } from '../log/topic-records.ts';
export { PackedBatch } from '../record/batch.ts';
export type { Answer } from '../thread/answer-thread.ts';
