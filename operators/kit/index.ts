/** `millrace/steps`: the API for external operators. */

export { synchronous } from '../../engine/base/promises.ts';
export { type Scratch, written } from '../../engine/base/scratch.ts';
export {
  aFunction,
  anObject,
  aRecord,
  aSerde,
  between,
  checkSetting,
  checkSettings,
  choice,
  count,
  flag,
  list,
  ms,
  msOrInfinity,
  optional,
  positiveNumber,
  type Rule,
  type Rules,
  refuseSetting,
  share,
  text,
  texts,
  wholeNumber,
} from '../../engine/base/settings.ts';
export type { Step } from '../../engine/graph/node.ts';
export type {
  AnyReceiver,
  BuildContext,
  Receiver,
  Resume,
  TaskContext,
  TimedStep,
} from '../../engine/graph/processor.ts';
export type {
  CellParts,
  Cells,
  StoreHandle,
  StoreRow,
  StoreSpec,
} from '../../engine/graph/store-spec.ts';
export { faithful } from '../../engine/serde/faithful.ts';
export { type Decoder, type Encoder, encodeTo, type Serde } from '../../engine/serde/serde.ts';
export { type CellStoreOptions, cellStore } from './cell-store.ts';
export {
  type DueWork,
  defineStep,
  type Forward,
  type KeyedStores,
  type StepBody,
  type StepDefinition,
  type StepInput,
  type StepOf,
  type StepParts,
  type StepStores,
} from './define-step.ts';
export { KeyedStore } from './keyed-store.ts';
export { OperatorTime } from './operator-time.ts';
export { type Release, releaseDue, visitDue } from './release.ts';
