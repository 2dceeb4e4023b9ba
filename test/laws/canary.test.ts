/** Each suite of laws finds an adapter that breaks its port: laws that cannot fail are none. */
import { type Log, MemoryBackends, MemoryLog, type StateBackend } from 'millrace/engine';
import { backendLaws, connectorLaws, type Law, logLaws, memberLaws } from 'millrace/laws';
import { expect, test } from 'vitest';
import type { BackendFactory } from '../../engine/storage/backend.ts';

/** Names of the laws that do not hold. */
async function broken(laws: readonly Law[]): Promise<string[]> {
  const names: string[] = [];
  for (const { name, check } of laws) {
    await check().catch(() => names.push(name));
  }
  return names;
}

/** A memory log with some of its methods replaced. */
const logWith = (change: (log: Log) => Partial<Log>) => ({
  open: async () => {
    const inner: Log = new MemoryLog();
    const changed = change(inner);
    const log = new Proxy(inner, {
      get: (target, name) => {
        const own = changed[name as keyof Log] ?? target[name as keyof Log];
        return typeof own === 'function' ? (own as () => unknown).bind(target) : own;
      },
    });
    return { log, dispose: () => inner.close() };
  },
});

test('a log whose reads begin one record late', async () => {
  const under = logWith((log) => ({
    read: async (at, from, limits) => {
      const end = await log.endOffset(at);
      return log.read(at, from === 0 && end > 1 ? 1 : from, limits);
    },
  }));
  expect(await broken(logLaws(under))).toContain(
    'records come back in order, with offsets, null keys, tombstones, times and headers',
  );
});

test('a log that fences nobody', async () => {
  let opened = 0;
  const under = logWith((log) => ({
    openWriter: (id) => {
      opened++;
      return log.openWriter(`${id}-${opened}`);
    },
  }));
  expect(await broken(logLaws(under))).toContain(
    'a newer writer of the same id fences the older; others go on',
  );
});

test('a log that tells no phase of its commits', async () => {
  const under = logWith((log) => ({
    openWriter: async (id) => {
      const writer = await log.openWriter(id);
      return {
        lastCommitId: writer.lastCommitId,
        commit: ({ onPhase: _, ...commit }) => writer.commit(commit),
        close: () => writer.close(),
      };
    },
  }));
  expect(await broken(logLaws(under))).toEqual([
    'the phase that commits is told once, and who throws there leaves nothing',
  ]);
});

test('a log that hands out its own bytes', async () => {
  const under = logWith((log) => {
    const kept = new Map<string, Awaited<ReturnType<Log['read']>>>();
    return {
      read: async (at, from, limits) => {
        const place = JSON.stringify([at, from, limits]);
        if (!kept.has(place)) kept.set(place, await log.read(at, from, limits));
        return kept.get(place);
      },
    };
  });
  expect(await broken(logLaws(under))).toContain(
    'who reads owns the batch: changing it does not change the log',
  );
});

test('a log that commits no offsets', async () => {
  const under = logWith((log) => ({
    openWriter: async (id) => {
      const writer = await log.openWriter(id);
      return {
        lastCommitId: writer.lastCommitId,
        commit: (commit) => writer.commit({ ...commit, offsets: [] }),
        close: () => writer.close(),
      };
    },
  }));
  expect(await broken(memberLaws(under))).toEqual([
    'offsets are committed with what is written, or not at all',
  ]);
});

/** Memory backends with some methods of their stores replaced. */
function backendsWith(change: (store: StateBackend) => Partial<StateBackend>) {
  return async () => {
    const inner = new MemoryBackends();
    const backends: BackendFactory = {
      open: async (directory) => {
        const store = await inner.open(directory);
        const methods = ['getMany', 'range', 'write', 'flush', 'memory', 'close'] as const;
        const own = Object.fromEntries(methods.map((name) => [name, store[name].bind(store)]));
        return { ...own, ...change(store) } as unknown as StateBackend;
      },
      destroy: (directory) => inner.destroy(directory),
    };
    return { backends, directory: 'store', dispose: async () => {} };
  };
}

test('a backend with a range that includes its end, or that forgets deletions', async () => {
  const inclusive = backendsWith((store) => ({
    range: (options) =>
      store.range(
        options.to ? { ...options, to: Buffer.concat([options.to, Buffer.of(0)]) } : options,
      ),
  }));
  expect(await broken(backendLaws({ open: inclusive, onDisk: false }))).toEqual([
    'ranges are in the order of unsigned bytes, from inclusive, to exclusive',
  ]);
  const keeping = backendsWith((store) => ({
    write: (batch) => store.write(batch.filter(({ value }) => value !== undefined)),
  }));
  expect(await broken(backendLaws({ open: keeping, onDisk: false }))).toEqual([
    'a write replaces and deletes in one go and outlives the store',
    'a flush loses nothing and a range goes on',
  ]);
});

test('a connector that begins anew whatever the cursor', async () => {
  const { source } = await import('../connect/take.ts');
  const { mkdtemp, rm, writeFile } = await import('node:fs/promises');
  const folder = await mkdtemp('/tmp/millrace-canary-');
  const file = `${folder}/a.csv`;
  await writeFile(file, 'who,at\na,1\nb,2\nc,3\nd,4\ne,5\n');
  const make = () => {
    const inner = source({ files: [file] });
    const open = inner.open.bind(inner);
    return Object.assign(inner, {
      open: (start: Parameters<typeof open>[0]) => open({ ...start, cursor: undefined }),
    });
  };
  expect(await broken(connectorLaws({ make }))).toEqual([
    'a start from any cursor neither repeats nor loses a record',
  ]);
  await rm(folder, { recursive: true });
});
