/**
 * The command line for another application: the program to which it adds commands, and their parts.
 * Everything public is already in `millrace` and `millrace/engine`.
 */
export { keyTextOf } from '../base/bytes.ts';
export { type Clock, systemClock } from '../base/clock.ts';
export { isPassing } from '../base/errors.ts';
export { allObservers } from '../base/events.ts';
export { jsonOf } from '../base/json-text.ts';
export { murmur2 } from '../base/murmur2.ts';
export { codeRoot, moduleAt, runsSources } from '../base/package-files.ts';
export { type Scheduler, systemScheduler } from '../base/scheduler.ts';
export { longestTimerMs } from '../base/settings.ts';
export { standardInput } from '../connect/content.ts';
export type { Cursor } from '../connect/cursor.ts';
export { recordsOf } from '../connect/file-options.ts';
export type { Item } from '../connect/file-reader.ts';
export {
  baseName,
  changedBefore,
  inputChanged,
  type KnownFile,
  recognise,
} from '../connect/known-files.ts';
export { type RowOptions, rowsOf } from '../connect/rows.ts';
export { writeRow } from '../connect/write-rows.ts';
export { openObservedKafkaLog } from '../embed/any-log.ts';
export { engineRoutes } from '../embed/engine-routes.ts';
export {
  defaultData,
  type Environment,
  knownApplication,
  openKeptLog,
  prepare,
  readApplication,
} from '../embed/environment.ts';
export type { Running } from '../embed/execution-options.ts';
export { cursorTopic } from '../graph/topic-names.ts';
export { followed, followedFrom, type SeenEvent } from '../http/change-routes.ts';
export { countOf, instantOf, needed } from '../http/routes.ts';
export { asOfSchema } from '../http/table-routes.ts';
export type { KafkaSettings } from '../log/kafka/settings/kafka-settings.ts';
export { partitionOf } from '../record/partitioner.ts';
export type { PartitionLag } from '../runtime/assignment.ts';
export { cursorAppend, readCursors } from '../runtime/cursors.ts';
export { type LogLevel, logObserver, metricsObserver } from '../runtime/observe.ts';
export { cursorName } from '../runtime/source-intake.ts';
export type { TableQuestions } from '../runtime/table-questions.ts';
export type { TopicTails } from '../runtime/topic-tail.ts';
export type { Decoder } from '../serde/serde.ts';
export { KeyTable } from '../state/key-table.ts';
export { Outputs } from '../task/outputs.ts';
export { moduleChosen } from '../thread/adapters.ts';
export { AnswerThread, type ThreadLimits } from '../thread/answer-thread.ts';
export { balance, checkTaken } from './balance.ts';
export { addEngineCommands, commandLine, runProgram } from './command-program.ts';
export {
  atEndOption,
  dataOption,
  freshOption,
  httpHostOption,
  httpOption,
  idleAfterOption,
  jsonOption,
  logLevelOption,
  logOption,
  maxDriftOption,
  memoryOption,
  sourcesOption,
  standardPort,
  stateBackendOption,
  statsdOption,
  stopWithinOption,
  threadsOption,
} from './common-options.ts';
export { serveVersion } from './dev/version-process.ts';
export { inputFiles } from './input-files.ts';
export { type InputGroup, type InputToken, inputGroups, inputOptions } from './input-groups.ts';
export { onInterrupt, whileStarting } from './interrupt.ts';
export { addKafkaOptions, type KafkaFlags, kafkaConfiguration } from './kafka-options.ts';
export { type KeptOptions, kafkaOf, openInspected, withApplication } from './kept-application.ts';
export { numberOption } from './number-option.ts';
export { instant, print, printJson, table } from './output.ts';
export { progressBar } from './progress.ts';
export { connectorsOf, pulledSources, readSources, sourcesFrom } from './pulled-sources.ts';
export type { ShippedApplication } from './shipped-application.ts';
export { type TimeFlags, timeSettings } from './time-flags.ts';
export { checkNames, type FileInput, groupSources } from './topic-input.ts';
