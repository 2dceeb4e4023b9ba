/** The options and the handle of an application that runs in this process. */
import type { Observer } from '../base/events.ts';
import type { RowMappings } from '../connect/row-mapping.ts';
import type { HttpEndpoint, HttpOptions } from '../http/http-server.ts';
import type { PageServer } from '../http/page.ts';
import type { HttpProcesses } from '../http/processes.ts';
import type { AnyRoute } from '../http/routes.ts';
import type { KafkaSettings } from '../log/kafka/settings/kafka-settings.ts';
import type { Log } from '../log/log.ts';
import type { SourceConnector } from '../runtime/connector.ts';
import type { LogLevel } from '../runtime/observe.ts';
import type { Owners } from '../runtime/owners.ts';
import type { RuntimeSettings } from '../runtime/run-settings.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { TableQuestions } from '../runtime/table-questions.ts';
import type { TopicTails } from '../runtime/topic-tail.ts';
import type { LogChoice } from '../thread/adapters.ts';
import type { TopologyReference } from '../thread/load-topology.ts';
import type { Environment } from './environment.ts';

/** Settings that do not change the topology. */
export type Settings = RuntimeSettings;

export interface ExecutionOptions {
  readonly env: Environment;
  /** The log is Kafka; the data directory holds state only. */
  readonly kafka?: KafkaSettings;
  /**
   * A log from outside: a LogFactory, or the path of a module whose default export is one. A path
   * is stored, so that the command line finds the log again. Not with `kafka`.
   */
  readonly log?: LogChoice;
  readonly reference: TopologyReference;
  /** Default: the topology's name. */
  readonly application?: string;
  /** 0: all tasks on the main thread. */
  readonly threads: number;
  readonly settings?: Settings;
  readonly sources?: readonly SourceConnector[];
  readonly observer?: Observer;
  /** Port for /metrics and /health; 0 takes a free one. */
  readonly http?: number;
  /** Host of the HTTP server; default the loopback interface. */
  readonly httpHost?: string;
  /** host:port of a DogStatsD agent, to which the metrics are sent; needs the package hot-shots. */
  readonly statsd?: string | undefined;
  /**
   * On Kafka: host:port at which other processes reach this one; default: the address on which it
   * listens.
   */
  readonly advertise?: string;
  /** Further routes, for questions. */
  readonly routes?: (running: Running) => readonly AnyRoute[];
  /** Replaces `serveHttp` for an application with its own server. */
  readonly listen?: (parts: ServerParts) => Promise<HttpEndpoint>;
  /** Mappings for rows of dead letters in a replay; without them rows are skipped. */
  readonly mappings?: RowMappings;
  /** The routes include questions about persons and segments, which the console shows. */
  readonly hasPeople?: boolean;
  /** Commands may ask this process over a socket in the data directory; default true. */
  readonly answers?: boolean;
  /** Log lines on standard error, JSON; default 'warn'. */
  readonly logLevel?: LogLevel;
}

/** An application that runs here. */
export interface Running {
  readonly runtime: Runtime;
  readonly log: Log;
  readonly tables: TableQuestions;
  /** Committed records as they are written. */
  readonly tails: TopicTails;
  readonly application: string;
  /** Which process holds which task, on Kafka. */
  readonly owners: Owners;
  /** The processes that share the tasks on Kafka; undefined if this process cannot be reached. */
  readonly others: HttpProcesses | undefined;
  /** Mappings for rows of dead letters in a replay; without them rows are skipped. */
  readonly mappings: RowMappings | undefined;
}

/** The parts of a server of the application. */
export interface ServerParts extends HttpOptions {
  readonly host: string;
  /** Undefined before the application is open. */
  readonly running: () => Running | undefined;
  readonly application: string;
  readonly observer: Observer;
  readonly page: PageServer;
}

export interface Execution {
  /** Its HTTP address; undefined without HTTP. */
  readonly url?: string;
  readonly log: Log;
  readonly runtime: Runtime;
  readonly application: string;
  /** Receives all events: log lines, metrics, health. */
  readonly observer: Observer;
  close(): Promise<void>;
}
