/**
 * What a request of ten events costs the gateway alone, in processor time: so it can be told on a
 * machine that others use as well. Each checkout has a process with a gateway on an embedded log
 * and no application; they take turns. So many requests are under way at a time, always, since
 * those share a commit. Arguments: requests under way, requests of a turn, turns, folders of
 * checkouts. MILLRACE_DOOR_PROFILE names a folder for a CPU profile of each. Prints a table; see
 * README.md.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { table } from '../engine/cli/output.ts';
import { post, requestOf } from './door.ts';

interface Used {
  /** Of the whole process and of its main thread, ms. */
  readonly cpuMs: number;
  readonly mainMs: number;
  readonly commits: number;
}

const application = 'door';
const partitions = 4;

/** The gateway of a checkout; tells its port, and what it has used whenever it is asked. */
async function serve(folder: string, directory: string): Promise<void> {
  const from = <M>(file: string): Promise<M> => import(resolve(folder, file)) as Promise<M>;
  const { openEmbeddedLog } = await from<
    typeof import('../engine/log/embedded/open-embedded-log.ts')
  >('engine/log/embedded/open-embedded-log.ts');
  const { backendsOf, defaultBackend } = await from<typeof import('../engine/storage/backends.ts')>(
    'engine/storage/backends.ts',
  );
  const { requestMetrics } =
    await from<typeof import('../engine/http/metrics.ts')>('engine/http/metrics.ts');
  const { serveGateway } = await from<typeof import('../topologies/gateway/gateway-server.ts')>(
    'topologies/gateway/gateway-server.ts',
  );
  const { openIntake, world } = await from<typeof import('../topologies/app/gateway-listener.ts')>(
    'topologies/app/gateway-listener.ts',
  );
  const log = await openEmbeddedLog({
    ...{ directory, application, backends: backendsOf(defaultBackend) },
  });
  const partitionsOf = { events: partitions, [`${application}-dead-letters`]: 1 };
  await log.createTopics(
    Object.entries(partitionsOf).map(([name, count]) => ({
      ...{ name, partitions: count, settings: {} },
    })),
  );
  let commits = 0;
  const counted = Object.create(log) as typeof log;
  counted.openWriter = async (id) => {
    const writer = await log.openWriter(id);
    const commit: typeof writer.commit = (one) => {
      commits++;
      return writer.commit(one);
    };
    return { ...writer, commit };
  };
  const requests = requestMetrics();
  const { intake, appender } = openIntake({ log: counted, application, partitionsOf, requests });
  const { port, close } = await serveGateway({
    ...{ port: 0, host: '127.0.0.1', config: {}, questions: [], requests, ...world },
    intake: () => intake,
    backlog: async () => 0,
    health: () => ({ status: 'running' }),
    metrics: async () => ({ contentType: 'text/plain', text: '' }),
  });
  process.on('message', async (word) => {
    if (word === 'used') {
      const { user, system } = process.cpuUsage();
      process.send?.({ cpuMs: (user + system) / 1_000, mainMs: mainThreadMs(), commits });
      return;
    }
    await close();
    await appender.close();
    await log.close();
    process.disconnect();
  });
  process.send?.({ port });
}

/** NaN elsewhere than on Linux. */
function mainThreadMs(): number {
  try {
    const text = readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8');
    return Number(text.split(' ')[0]) / 1e6;
  } catch {
    return Number.NaN;
  }
}

class Side {
  readonly folder: string;
  requests = 0;
  refused = 0;
  cpuMs = 0;
  mainMs = 0;
  commits = 0;
  readonly #child: ChildProcess;
  #url = '';

  constructor(folder: string, directory: string, profiles: string | undefined) {
    this.folder = folder;
    const profile =
      profiles === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${resolve(profiles)}`];
    this.#child = fork(import.meta.filename, ['--serve', folder, directory], {
      execArgv: ['--conditions=millrace-source', '--import=tsx', ...profile],
    });
  }

  async started(): Promise<void> {
    const { port } = await this.#told<{ port: number }>();
    this.#url = `http://127.0.0.1:${port}/v1/events?mapping=sample`;
  }

  /** Requests [first, end), so many at a time. */
  async turn(first: number, end: number, together: number, counts: boolean): Promise<void> {
    const before = await this.#used();
    let next = first;
    const sender = async () => {
      while (next < end) {
        if ((await post(this.#url, requestOf(next++), {})) !== 202) this.refused++;
      }
    };
    await Promise.all(Array.from({ length: together }, sender));
    const after = await this.#used();
    if (!counts) return;
    this.requests += end - first;
    this.cpuMs += after.cpuMs - before.cpuMs;
    this.mainMs += after.mainMs - before.mainMs;
    this.commits += after.commits - before.commits;
  }

  async stop(): Promise<void> {
    const ended = new Promise((done) => this.#child.once('exit', done));
    this.#child.send('stop');
    await ended;
  }

  #used(): Promise<Used> {
    this.#child.send('used');
    return this.#told();
  }

  #told<T>(): Promise<T> {
    return new Promise((done, fail) => {
      const ended = (code: number | null) => fail(new Error(`${this.folder}: ended with ${code}`));
      this.#child.once('exit', ended);
      this.#child.once('message', (message) => {
        this.#child.off('exit', ended);
        done(message as T);
      });
    });
  }
}

async function compare([together = '16', each = '1000', turns = '6', ...folders]: string[]) {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-door-'));
  const profiles = process.env['MILLRACE_DOOR_PROFILE'];
  const all = folders.length > 0 ? folders : [join(import.meta.dirname, '..')];
  const sides = all.map((folder, i) => new Side(folder, join(directory, String(i)), profiles));
  try {
    for (const side of sides) await side.started();
    let first = 0;
    // The first turns of each warm it up.
    for (let turn = -2; turn < Number(turns); turn++) {
      const order = turn % 2 === 0 ? sides : [...sides].reverse();
      for (const side of order) {
        await side.turn(first, first + Number(each), Number(together), turn >= 0);
        first += Number(each);
      }
    }
  } finally {
    for (const side of sides) await side.stop();
    await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  }
  const rows = sides.map((side) => {
    const { folder, requests, refused, cpuMs, mainMs, commits } = side;
    const ms = [cpuMs, mainMs].map((sum) => (sum / requests).toFixed(3));
    return [folder, requests, refused, ...ms, (requests / commits).toFixed(1)];
  });
  const columns = ['code', 'requests', 'refused', 'CPU ms a request', 'of it main thread'];
  console.log(table([...columns, 'requests a commit'], rows));
}

const [first = '', ...rest] = process.argv.slice(2);
if (first === '--serve') await serve(rest[0] as string, rest[1] as string);
else await compare(process.argv.slice(2));
