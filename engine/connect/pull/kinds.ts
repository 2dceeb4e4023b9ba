/**
 * The puller of each kind of source. Packages that only one kind needs are loaded with its first
 * run.
 */
import type { Clock } from '../../base/clock.ts';
import type { Scheduler } from '../../base/scheduler.ts';
import type { Log } from '../../log/log.ts';
import type { RowOptions } from '../rows.ts';
import { type FileStore, FilesPuller } from './files/files-puller.ts';
import { FolderStore } from './files/folder.ts';
import { S3Store } from './files/s3.ts';
import { KafkaPuller } from './kafka/kafka.ts';
import type { KafkaSpec } from './kafka/kafka-spec.ts';
import { KinesisPuller } from './kinesis/kinesis.ts';
import { PostgresPuller } from './postgres/postgres.ts';
import type { Puller } from './puller.ts';
import { RestPuller } from './rest/rest.ts';
import type { Secrets } from './secrets.ts';
import type { SourceSpec } from './source-specs.ts';

export interface PullerOptions {
  readonly name: string;
  readonly spec: SourceSpec;
  readonly secrets: Secrets;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  warn(text: string): void;
  /** The rows of a value; without it, an object is a row. */
  unpack?(value: unknown): readonly unknown[];
  openKafka(spec: KafkaSpec): Promise<Log>;
  /** How a file of this name is read. */
  rowOptions(file: string): RowOptions;
  /** Order of the rows of a file; default: as in the file. */
  readonly order?: 'file' | 'time';
}

/** Default pause between two polls, seconds. */
export const everySeconds: Readonly<Record<SourceSpec['kind'], number>> = {
  rest: 60,
  postgres: 10,
  folder: 5,
  s3: 60,
  kinesis: 1,
  kafka: 1,
};

export function pullerOf({ spec, ...options }: PullerOptions): Puller {
  switch (spec.kind) {
    case 'rest':
      return new RestPuller({ ...options, spec });
    case 'postgres':
      return new PostgresPuller({ ...options, spec });
    case 'folder':
      return filesPuller(options, new FolderStore(options.name, spec, options.clock));
    case 's3':
      return filesPuller(options, new S3Store(options.name, spec, options.secrets));
    case 'kinesis':
      return new KinesisPuller({ ...options, spec });
    case 'kafka':
      return new KafkaPuller({ ...options, spec, openLog: () => options.openKafka(spec) });
  }
}

function filesPuller(options: Omit<PullerOptions, 'spec'>, store: FileStore): Puller {
  const { name, order = 'file' } = options;
  return new FilesPuller({ name, store, order, rowOptions: (file) => options.rowOptions(file) });
}

/**
 * The target that a position belongs to; undefined if the position stays valid for another target.
 */
export function targetOf(spec: SourceSpec): string | undefined {
  switch (spec.kind) {
    case 'rest':
    case 'folder':
      return undefined;
    case 'postgres':
      return `${spec.schema ?? 'public'}.${spec.table}`;
    case 'kinesis':
      return spec.stream;
    case 'kafka':
      return spec.from;
    case 's3':
      return `${spec.bucket}/${spec.prefix ?? ''}`;
  }
}
