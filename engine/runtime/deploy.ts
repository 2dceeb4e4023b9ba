/** Checks, before anything starts, that a topology can continue with the deployed state. */
import { MillraceError } from '../base/errors.ts';
import {
  type Change,
  compareDeployments,
  type Deployment,
  deploymentOf,
  nextDeployment,
} from '../graph/deployment.ts';
import type { Topology } from '../graph/graph.ts';
import type { Plan } from './start-plan.ts';

export interface DeployOptions {
  readonly application: string;
  readonly topology: Topology;
  readonly plan: Plan;
  /** Stores that may be left behind; their changelogs stay. */
  readonly orphans: readonly string[];
}

export interface DeployCheck {
  readonly changes: readonly Change[];
  /** The deployment to store with the next commit. */
  readonly next: Deployment;
}

/** @param deployed the deployment in the cursor topic; undefined before the first commit */
export function checkDeployment(
  deployed: unknown,
  { topology, plan }: Omit<DeployOptions, 'orphans' | 'application'>,
): DeployCheck {
  const partitions: number[] = [];
  for (const { subTopology } of plan.tasks) {
    partitions[subTopology] = (partitions[subTopology] ?? 0) + 1;
  }
  const before = (deployed ?? {}) as Deployment;
  const now = deploymentOf(topology, partitions);
  return { changes: compareDeployments(before, now), next: nextDeployment(before, now) };
}

/**
 * Returns the new deployment.
 * @throws STATE_INCOMPATIBLE with everything that would lose state
 */
export function deploy(deployed: unknown, options: DeployOptions): Deployment {
  const { changes, next } = checkDeployment(deployed, options);
  const lost = changes.filter(({ name, verdict }) => {
    return verdict === 'refuse' || (verdict === 'orphan' && !options.orphans.includes(name));
  });
  if (lost.length === 0) return next;
  const problems = lost.map(
    ({ name, type, verdict, why }) => `  ${type} ${name}: ${verdict}: ${why}`,
  );
  throw new MillraceError('STATE_INCOMPATIBLE', {
    application: options.application,
    problems: problems.join('\n'),
  });
}
