/**
 * Of `index.ts`, what a thread that answers questions needs: it is loaded in each, so it is small.
 */
export { imageOfError } from '../base/errors.ts';
export { recordsIn } from '../log/topic-records.ts';
export { PackedBatch } from '../record/batch.ts';
export type { Answer } from '../thread/answer-thread.ts';
