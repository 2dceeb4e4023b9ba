/** A worker thread: loads the topology itself and serves a TaskHost until its port is closed. */
import type { MessagePort } from 'node:worker_threads';
import { imageOfError, MillraceError } from '../base/errors.ts';
import { unhandledError } from '../base/unhandled.ts';
import { fingerprint } from '../graph/fingerprint.ts';
import { holdBackend } from '../storage/backends.ts';
import { TaskHost } from '../task/task-host.ts';
import { loadBackends } from './adapters.ts';
import { loadTopology } from './load-topology.ts';
import { type Answer, buffersIn, type Call, type HostStart, type WorkerStart } from './protocol.ts';

// The error's text tells the main thread why this thread ended.
process.on('unhandledRejection', (reason) => {
  throw unhandledError('rejection', reason);
});
process.on('uncaughtException', (reason) => {
  throw unhandledError('exception', reason);
});

export default async function serveWork({ work, port }: WorkerStart): Promise<void> {
  const closed = new Promise<void>((resolve) => port.on('close', resolve));
  try {
    if (work !== undefined) serveAt(port, await hostOf(work));
    else port.start();
    port.postMessage({ id: 0, value: 'ready' } satisfies Answer);
  } catch (error) {
    // Returned as the error of a call, because an error thrown here would lose its code between
    // threads.
    port.start();
    port.postMessage({ id: 0, error: imageOfError(error) } satisfies Answer);
  }
  await closed;
}

/** @throws TOPOLOGY_CHANGED, and what the module and the backend fail of */
async function hostOf(work: HostStart): Promise<TaskHost> {
  const { reference, config, stateBackend, fingerprint: expected } = work;
  const topology = await loadTopology(reference);
  const actual = fingerprint(topology);
  if (actual !== expected) {
    const [short, other] = [actual.slice(0, 12), expected.slice(0, 12)];
    throw new MillraceError('TOPOLOGY_CHANGED', { actual: short, expected: other });
  }
  // Load it while the main thread waits for its log; otherwise the first task would wait.
  holdBackend(stateBackend);
  return new TaskHost(topology, config, await loadBackends(stateBackend));
}

function serveAt(port: MessagePort, host: TaskHost): void {
  port.on('message', async (call: Call) => {
    const answer = await serve(host, call);
    const buffers = 'value' in answer && call.method === 'process' ? buffersIn(answer.value) : [];
    port.postMessage(answer, buffers);
  });
}

async function serve(host: TaskHost, { id, method, args }: Call): Promise<Answer> {
  try {
    const call = host[method] as (...given: unknown[]) => Promise<unknown>;
    return { id, value: await call.apply(host, [...args]) };
  } catch (error) {
    return { id, error: imageOfError(error) };
  }
}
