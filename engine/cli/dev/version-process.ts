/**
 * The process of one version of a topology, started by `dev`. It loads the module and reports what
 * would happen to the state, while the previous version keeps running; then it waits for the
 * command to run.
 */
import { onUnhandled } from '../../base/unhandled.ts';
import { loadTopology } from '../../thread/load-topology.ts';
import { endWhenNobodyReads, report } from '../output.ts';
import { plannedChanges } from '../plan-command.ts';
import { run } from '../run-command.ts';
import type { ShippedApplication } from '../shipped-application.ts';
import type { FromVersion, ToVersion } from './dev-protocol.ts';

type Loaded = Extract<ToVersion, { kind: 'load' }>;

/** Call once, when the process starts. */
export function serveVersion(application: ShippedApplication): void {
  endWhenNobodyReads();
  onUnhandled(process, (error) => process.exit(report(error, false)));
  // Without its parent nothing could stop this process.
  process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'));
  let loaded: Loaded | undefined;
  process.on('message', (message: ToVersion) => {
    if (message.kind === 'load') {
      loaded = message;
      orEnd(load(message));
    } else if (loaded !== undefined) {
      const { module, options } = loaded;
      // From now on the channel must not keep the process alive after its run.
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
