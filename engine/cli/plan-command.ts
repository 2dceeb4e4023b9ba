/** `plan`: the effect of starting a topology on everything deployed, without starting it. */
import { stat } from 'node:fs/promises';
import { MillraceError } from '../base/errors.ts';
import { openAnyLog } from '../embed/any-log.ts';
import { environment, knownApplication, openLog } from '../embed/environment.ts';
import { runningProcess } from '../embed/local-questions.ts';
import type { Change } from '../graph/deployment.ts';
import type { Topology } from '../graph/graph.ts';
import { cursorTopic } from '../graph/topic-names.ts';
import type { Log } from '../log/log.ts';
import { MemoryLog } from '../log/memory-log.ts';
import { deploymentCursor, readCursors } from '../runtime/cursors.ts';
import { checkDeployment } from '../runtime/deploy.ts';
import { plan } from '../runtime/start-plan.ts';
import { loadTopology } from '../thread/load-topology.ts';
import { type KafkaFlags, kafkaConfiguration } from './kafka-options.ts';
import { print, printJson, table } from './output.ts';

export interface PlanOptions extends KafkaFlags {
  readonly data: string;
  readonly application?: string;
  readonly partitions?: number;
  readonly orphan?: readonly string[];
  readonly json?: boolean;
  /** A log from outside, by module. */
  readonly log?: string;
}

export async function planDeployment(module: string, options: PlanOptions): Promise<void> {
  const topology = await loadTopology({ module });
  const { application, changes } = await plannedChanges(topology, options);
  if (options.json === true) printJson({ application, changes });
  else show(application, changes);
  const lost = lostBy(changes, options.orphan);
  if (lost.length === 0) return;
  const problems = lost.map(({ type, name, verdict }) => `  ${type} ${name}: ${verdict}`);
  throw new MillraceError('STATE_INCOMPATIBLE', { application, problems: problems.join('\n') });
}

export interface Planned {
  readonly application: string;
  /** Store by store, by name. */
  readonly changes: readonly Change[];
}

/** What would happen to the deployed state. A running process is queried and keeps running. */
export async function plannedChanges(
  topology: Topology,
  options: Omit<PlanOptions, 'json' | 'orphan'>,
): Promise<Planned> {
  const application = options.application ?? topology.name;
  const log = await deployedLog(application, options);
  try {
    const existing = await log.topics();
    const planned = plan({
      application,
      topology,
      partitions: options.partitions,
      existing,
      written: [],
    });
    const ran = existing.some(({ name }) => name === cursorTopic(application));
    const deployed = ran ? (await readCursors(log, application)).get(deploymentCursor) : undefined;
    return { application, changes: checkDeployment(deployed, { topology, plan: planned }).changes };
  } finally {
    await log.close();
  }
}

/** The changes that drop state. @param left stores that may be left behind */
export function lostBy(changes: readonly Change[], left: readonly string[] = []): Change[] {
  return changes.filter(
    ({ name, verdict }) => verdict === 'refuse' || (verdict === 'orphan' && !left.includes(name)),
  );
}

async function deployedLog(application: string, options: PlanOptions): Promise<Log> {
  const env = environment(options.data);
  const kafka = (await kafkaConfiguration(options))?.settings;
  const running = kafka === undefined ? await runningProcess(env) : undefined;
  if (running !== undefined) return running.log;
  const log = options.log ?? (await knownApplication(env))?.log;
  if (kafka !== undefined || log !== undefined) {
    return openAnyLog({ env, application, kafka, ...(kafka === undefined && { log }) });
  }
  // If nothing has run here, nothing is created.
  const ran = await stat(env.logDirectory).then(
    () => true,
    () => false,
  );
  return ran ? openLog(env, 'plan') : new MemoryLog();
}

function show(application: string, changes: readonly Change[]): void {
  if (changes.length === 0) print(`${application} keeps no state`);
  else {
    const rows = changes.map(({ name, type, verdict, why }) => [verdict, type, name, why]);
    print(table(['', 'what', 'name', 'why'], rows));
  }
}
