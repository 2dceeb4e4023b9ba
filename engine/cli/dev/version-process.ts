/**
 * The process of one version of a topology, started by `dev`. It loads the module and tells what
 * would become of the state, while the version before runs on; then it waits until it is told to
 * run.
 */
import { onUnhandled } from '../../base/unhandled.ts';
import { loadTopology } from '../../thread/load-topology.ts';
import { endWhenNobodyReads, report } from '../output.ts';
import { plannedChanges } from '../plan-command.ts';
import { run } from '../run-command.ts';
import type { ShippedApplication } from '../shipped-application.ts';
import type { FromVersion, ToVersion } from './dev-protocol.ts';

type Loaded = Extract<ToVersion, { kind: 'load' }>;

/** To be called once, when the process begins. */
export function serveVersion(application: ShippedApplication): void {
  endWhenNobodyReads();
  onUnhandled(process, (error) => process.exit(report(error, false)));
  // Nobody would end it any more.
  process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'));
  let loaded: Loaded | undefined;
  process.on('message', (message: ToVersion) => {
    if (message.kind === 'load') {
      loaded = message;
      orEnd(load(message));
    } else if (loaded !== undefined) {
      const { module, options } = loaded;
      // What is told from now on holds the process no longer than its run.
      process.channel?.unref();
      orEnd(run(module, { ...options, ...message.begin }, application));
    }
  });
}

async function load({ module, options }: Loaded): Promise<void> {
  const topology = await loadTopology({ module });
  const planned: FromVersion = { kind: 'planned', ...(await plannedChanges(topology, options)) };
  process.send?.(planned);
}

function orEnd(work: Promise<void>): void {
  work.catch((error: unknown) => process.exit(report(error, false)));
}
