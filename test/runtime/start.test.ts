/**
 * A start on a shared log: what it waits for, commits first, and joins when it cannot make its
 * topics.
 */
import { setTimeout } from 'node:timers/promises';
import { topic, topology, utf8 } from 'millrace';
import { expect, test } from 'vitest';
import { MillraceError } from '../../engine/base/errors.ts';
import { append } from '../../engine/laws/index.ts';
import { type JoinOptions, type Member, soleMember } from '../../engine/log/member.ts';
import { MemoryLog } from '../../engine/log/memory-log.ts';
import { deploymentCursor, readCursors } from '../../engine/runtime/cursors.ts';
import { Runtime } from '../../engine/runtime/runtime.ts';
import { MemoryBackends } from '../../engine/storage/memory-backend.ts';
import type { HostConfig } from '../../engine/task/host-port.ts';
import { TaskHost } from '../../engine/task/task-host.ts';

const application = 'first';
const words = topic<string, string>('words', { value: utf8, partitions: 1 });
const job = topology(application, (t) => {
  t.stream(words).count('all');
  return {};
});

async function logWith(records: number): Promise<MemoryLog> {
  const log = new MemoryLog();
  await log.createTopics([{ name: words.name, partitions: 1, settings: {} }]);
  const rows = Array.from({ length: records }, (): [string, string] => ['k', 'w']);
  const feed = await log.openWriter('feed');
  const appends = records === 0 ? [] : [append(words.name, 0, rows)];
  await feed.commit({ appends, offsets: [], commitId: 1 });
  return log;
}

/** A member of a group: its partitions come when it is asked for the third time. */
function memberOf(log: MemoryLog, options: JoinOptions): Member {
  const sole = soleMember(log, options);
  let asked = 0;
  return {
    ...sole,
    sole: false,
    takeChange: () => (++asked < 3 ? undefined : sole.takeChange()),
  };
}

const hosted = (config: HostConfig) => new TaskHost(job, config, new MemoryBackends());

function start(log: MemoryLog, hostOf = hosted): Promise<Runtime> {
  return Runtime.start({
    topology: job,
    application,
    log,
    stateDirectory: 'state',
    startHosts: async (config) => [hostOf(config)],
  });
}

test('a task that is open is not left waiting until the log is looked at again', async () => {
  const log = await logWith(5);
  let assigned = false;
  log.join = async (options) => {
    const member = memberOf(log, options);
    return {
      ...member,
      takeChange: () => {
        const change = member.takeChange();
        assigned ||= change !== undefined;
        return change;
      },
      // Nothing comes any more that would wake anybody.
      wait: () => (assigned ? new Promise(() => {}) : Promise.resolve()),
    };
  };
  const runtime = await start(log, (config) => {
    const host = hosted(config);
    const open = host.open.bind(host);
    host.open = async (assignment) => {
      await setTimeout(30);
      return open(assignment);
    };
    return host;
  });
  const { counters } = await runtime.runUntilCaughtUp();
  await runtime.close();
  expect(counters.in).toBe(5);
});

test.each([0, 5])('%i records: one commit, which says what is deployed', async (records) => {
  const log = await logWith(records);
  let commits = 0;
  const open = log.openWriter.bind(log);
  log.openWriter = async (id) => {
    const writer = await open(id);
    return {
      ...writer,
      commit: (commit) => {
        commits++;
        return writer.commit(commit);
      },
    };
  };
  log.join = async (options) => memberOf(log, options);
  const runtime = await start(log);
  const { counters } = await runtime.runUntilCaughtUp();
  await runtime.close();
  expect(counters.in).toBe(records);
  expect(commits).toBe(1);
  expect((await readCursors(log, application)).get(deploymentCursor)).toBeDefined();
});

test('a start that cannot make its topics joins no group', async () => {
  const log = await logWith(0);
  const problem = 'not allowed';
  log.createTopics = async () => {
    throw new MillraceError('KAFKA_REFUSED', { brokers: 'here', problem });
  };
  let joined = 0;
  log.join = async (options) => {
    await options.ready?.();
    joined++;
    return memberOf(log, options);
  };
  await expect(start(log)).rejects.toMatchObject({ code: 'KAFKA_REFUSED' });
  expect(joined).toBe(0);
});
