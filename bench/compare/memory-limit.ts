/**
 * A memory cgroup of Linux, for a run whose state is not to fit into memory: the page cache counts
 * as well.
 */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const mount = '/sys/fs/cgroup';
/**
 * Where the first version of cgroups has its memory; of the second all controllers are in one
 * place.
 */
const first = join(mount, 'memory');
const enterGroup = 'echo $$ > "$0" && exec "$@"';

export interface MemoryGroup {
  /** The command that enters the group and becomes `command`. */
  entering(command: string, args: readonly string[]): [command: string, args: string[]];
  remove(): Promise<void>;
}

/** @throws when this is not Linux, or the user may not make cgroups */
export async function memoryGroup(mebibytes: number): Promise<MemoryGroup> {
  const isFirst = existsSync(join(first, 'memory.limit_in_bytes'));
  const folder = join(isFirst ? first : mount, `millrace-bench-${randomUUID()}`);
  const limit = isFirst ? 'memory.limit_in_bytes' : 'memory.max';
  try {
    if (!isFirst) await writeFile(join(mount, 'cgroup.subtree_control'), '+memory');
    await mkdir(folder);
    await writeFile(join(folder, limit), String(mebibytes * 2 ** 20));
  } catch (cause) {
    throw new Error(`no memory cgroup can be made under ${mount}: run as root, on Linux`, {
      cause,
    });
  }
  return {
    entering: (command, args) => [
      'sh',
      ['-c', enterGroup, join(folder, 'cgroup.procs'), command, ...args],
    ],
    // It may be a moment until the kernel has seen that all of it are gone.
    remove: () => retried(() => rmdir(folder)),
  };
}

async function retried(body: () => Promise<void>): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      return await body();
    } catch (error) {
      if (tries === 50) throw error;
      await pause(100);
    }
  }
}
