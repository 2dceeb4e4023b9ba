/** The public API for embedding the engine: runtime, logs, stores, threads, sources. */

export { type CommitId, commitIdOf, nextCommit } from './base/commit-id.ts';
export { messageOf } from './base/errors.ts';
export type { Observer, TelemetryEvents } from './base/events.ts';
export { silentObserver } from './base/events.ts';
export {
  aRecord,
  checkSetting,
  checkSettings,
  choice,
  count,
  flag,
  list,
  ms,
  optional,
  type Rule,
  refuseSetting,
  text,
  texts,
} from './base/settings.ts';
export { FileSource, type FileSourceOptions } from './connect/file-source.ts';
export { mappedFiles, type RowMapping, type RowMappings } from './connect/row-mapping.ts';
export { environment } from './embed/environment.ts';
export { execute } from './embed/execute.ts';
export type {
  Execution,
  ExecutionOptions,
  ServerParts,
  Settings,
} from './embed/execution-options.ts';
export { describeJson, describeMermaid, describeText } from './graph/describe.ts';
export type { TopicSettings } from './graph/topic.ts';
export { deadLetterTopic } from './graph/topic-names.ts';
export { Streams } from './http/event-stream.ts';
export { isReady } from './http/health.ts';
export { type HttpEndpoint, statusOf } from './http/http-server.ts';
export { type RequestMetrics, requestMetrics } from './http/metrics.ts';
export type { PageAnswer, PageServer } from './http/page.ts';
export { type RequestTrace, requestTrace } from './http/request-trace.ts';
export {
  type AnyRoute,
  addBodyValues,
  isStream,
  lastEventId,
  type Route,
  type RouteText,
  type ServerEvent,
  type StreamRoute,
  servedRoutes,
  valuesInPath,
} from './http/routes.ts';
export { type EmbeddedLog, openEmbeddedLog } from './log/embedded/open-embedded-log.ts';
export type {
  Append,
  Commit,
  CommitPhase,
  CommitReceipt,
  CommittedOffset,
  GroupOffset,
  Log,
  LogFactory,
  ReadLimits,
  RecordLimits,
  TopicDescription,
  TopicPartition,
  TopicRole,
  Writer,
} from './log/log.ts';
export {
  type AssignmentChange,
  type Fetched,
  type JoinOptions,
  type Member,
  soleMember,
} from './log/member.ts';
export { MemoryLog } from './log/memory-log.ts';
export { type TopicRecord, topicRecords } from './log/topic-records.ts';
export { BatchBuilder, PackedBatch } from './record/batch.ts';
export { decodeHeaders, encodeHeaders, type Headers } from './record/headers.ts';
export {
  Appender,
  type AppenderOptions,
  type OutsideBytes,
  type OutsideRecord,
  recordFor,
} from './runtime/appender.ts';
export type { SourceChunk, SourceConnector, SourceStart } from './runtime/connector.ts';
export { Runtime, type RuntimeOptions } from './runtime/runtime.ts';
export type { Summary } from './runtime/summary.ts';
export type { AsOf } from './runtime/table-questions.ts';
export type {
  Holder,
  SourceTimeReport,
  SourceTimeState,
  StepTimeReport,
  TaskTimeReport,
  TimeReport,
} from './runtime/time-report.ts';
export type {
  BackendEntry,
  BackendFactory,
  BackendWrite,
  OpenOptions,
  RangeOptions,
  StateBackend,
} from './storage/backend.ts';
export {
  type BackendChoice,
  type BackendName,
  backendNames,
  backendsOf,
} from './storage/backends.ts';
export { MemoryBackends } from './storage/memory-backend.ts';
export { rocksBackends } from './storage/rocksdb.ts';
export type { HostConfig, HostPort } from './task/host-port.ts';
export { type OutputBatch, Outputs } from './task/outputs.ts';
export type { ShownRow } from './task/row-answers.ts';
export { TaskHost } from './task/task-host.ts';
export type { LogChoice } from './thread/adapters.ts';
export { loadTopology, type TopologyReference } from './thread/load-topology.ts';
export { startWorkers, type WorkerHosts } from './thread/pool.ts';
