/** The public API of topologies. */
export { days, hours, minutes, seconds } from '../engine/base/duration.ts';
export { type ErrorCode, isMillraceError, MillraceError } from '../engine/base/errors.ts';
export type { ErrorAnswer, ErrorHandler, FailedRecord } from '../engine/graph/error-handler.ts';
export type { Topology } from '../engine/graph/graph.ts';
export type { RowOf, StoreHandle, StoreRow } from '../engine/graph/store-spec.ts';
export {
  type Partitioner,
  type Sink,
  type Source,
  type Topic,
  type TopicOptions,
  topic,
} from '../engine/graph/topic.ts';
export { type ParsedJson, parseJson } from '../engine/serde/faithful-json.ts';
export { int64 } from '../engine/serde/int64.ts';
export { json } from '../engine/serde/json.ts';
export { msgpack } from '../engine/serde/msgpack.ts';
export { raw } from '../engine/serde/raw.ts';
export type { Serde } from '../engine/serde/serde.ts';
export { utf8 } from '../engine/serde/utf8.ts';
export { type Upcasters, versioned } from '../engine/serde/versioned.ts';
export { sessionWindowed, timeWindowed, type Windowed } from '../engine/serde/windowed.ts';
export {
  type CalendarRule,
  type CalendarTimes,
  calendarTimes,
} from '../engine/time/calendar-times.ts';
export {
  epochFormats,
  type InstantReader,
  instantReader,
  type ZonePolicy,
  zonePolicies,
} from '../engine/time/instant-reader.ts';
export {
  calendar,
  hopping,
  hoppingCount,
  session,
  sliding,
  tumbling,
  tumblingCount,
  type Weekday,
  type WindowSpec,
} from '../engine/time/windows/window-spec.ts';
export type {
  Aggregate,
  MergeableAggregate,
  SubtractableAggregate,
} from './aggregate-value.ts';
export { type Average, average } from './aggregates/average.ts';
export { collect } from './aggregates/collect.ts';
export { combined } from './aggregates/combined.ts';
export { count } from './aggregates/count.ts';
export { type DecayedSum, decayedAt, decayedSum } from './aggregates/decayed-sum.ts';
export { distinct } from './aggregates/distinct.ts';
export { type DistinctCount, distinctCount, distinctCountOf } from './aggregates/distinct-count.ts';
export { first, last } from './aggregates/ends.ts';
export { max, min } from './aggregates/extent.ts';
export { type Quantiles, quantileOf, quantiles } from './aggregates/quantiles.ts';
export { reduce } from './aggregates/reduce.ts';
export { sum } from './aggregates/sum.ts';
export { top } from './aggregates/top.ts';
export type { AsyncCall } from './async-map.ts';
export {
  type CogroupAggregate,
  /** @deprecated `CogroupAggregate` */
  type CogroupAggregate as CogroupWhole,
  CogroupedStream,
  WindowedCogroup,
} from './cogroup.ts';
export { GroupedTable } from './group-table.ts';
export type { AsyncOptions } from './in-flight.ts';
export { GlobalTable } from './join-global.ts';
export type { StreamJoinSettings } from './join-streams-store.ts';
export { type JoinWindow, joinWindow } from './join-window.ts';
export { jsonSchema } from './json-schema.ts';
export type {
  CollectionsOf,
  KeyedList,
  KeyedListSpec,
  KeyedMap,
  KeyedMapSpec,
  ListEntry,
} from './keyed-collections.ts';
export { keyedList, keyedMap } from './keyed-collections.ts';
export type { LookupOptions } from './lookup.ts';
export type { NoCollections, ProcessClock, ProcessContext, ProcessSpec } from './process-spec.ts';
export { Stream } from './stream.ts';
export type { TableJoinWait } from './stream-options.ts';
export type { EarlyResults, SuppressBuffer, SuppressOptions } from './suppress-options.ts';
export type { Synchronous, Unawaited } from './synchronous.ts';
export { Table } from './table.ts';
export { type StreamOptions, type TableOptions, TopologyBuilder, topology } from './topology.ts';
export type { StandardSchema, ValidationIssue, ValidationResult } from './validate.ts';
export { type WindowAggregateOptions, WindowedStream } from './windowed-stream.ts';
