/** Members come, go and are held still, and the broker goes away: every count appears once. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, onTestFailed, test } from 'vitest';
import { type KafkaLog, openKafkaLog } from '../../engine/log/kafka/adapter/kafka-log.ts';
import { defaultKafkaSettings } from '../../engine/log/kafka/settings/kafka-settings.ts';
import { launch, type Running } from '../process/millrace.ts';
import { type Broker, startBroker } from './broker.ts';
import { countsSeen, partitions, writeEvents } from './counting-job.ts';
import { kafkaAvailable } from './shared.ts';

const perFeed = 600;

describe.skipIf(!(await kafkaAvailable()))('members of a group', () => {
  let broker: Broker;
  let log: KafkaLog;
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-members-'));
    broker = await startBroker();
    const settings = { ...defaultKafkaSettings, brokers: broker.address };
    log = await openKafkaLog({ settings, application: 'members-witness' });
  });
  afterAll(async () => {
    await log?.close();
    await broker?.stop('SIGKILL');
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  /** A job of its own: its input, and its members by name. */
  async function job(application: string, ...protocol: readonly string[]) {
    const input = `${application}-events`;
    await log.createTopics([{ name: input, partitions, settings: {} }]);
    let events = 0;
    return {
      async feed(): Promise<void> {
        await writeEvents(log, input, events, events + perFeed);
        events += perFeed;
      },
      async member(name: string, until: 'ever' | 'none' = 'ever'): Promise<Running> {
        const args = [broker.address, join(folder, application, name), input, application, name];
        const running = launch('test/kafka/kill-child.ts', [...args, until, '0', ...protocol]);
        onTestFailed(() => console.error(`${name} said:\n${running.said()}`));
        await running.says('started');
        return running;
      },
      problems: () => countsSeen(log, input, application, events),
    };
  }

  async function stopped({ child, ended }: Running): Promise<void> {
    child.kill('SIGTERM');
    const { code, stderr } = await ended;
    expect({ code, stderr }).toMatchObject({ code: 0 });
  }

  /**
   * Until the member runs the tasks of all partitions, or of some; `since` what it had said then.
   */
  const runs = (member: Running, open: number, since = '') =>
    member.says(`"open":${open},"opening":0`, since.length);
  const all = 3 * partitions;

  test('one becomes three and one again, under load', { timeout: 600_000 }, async () => {
    const { feed, member, problems } = await job('scaled');
    const one = await member('one');
    await runs(one, all);
    await feed();
    const two = await member('two');
    await feed();
    await runs(two, all / 2);
    const three = await member('three');
    await feed();
    await runs(three, all / 3);
    await feed();
    await stopped(one);
    await feed();
    await stopped(two);
    await feed();
    await runs(three, all);
    await stopped(three);
    await caughtUp(await member('four', 'none'));
    expect(await problems()).toEqual([]);
  });

  test('the same with the classic protocol, and one dies', { timeout: 600_000 }, async () => {
    const { feed, member, problems } = await job('classic', 'exactly-once', 'classic');
    const one = await member('one');
    await runs(one, all);
    await feed();
    const two = await member('two');
    await feed();
    await runs(two, all / 2);
    await feed();
    one.child.kill('SIGKILL');
    await feed();
    await runs(two, all);
    const three = await member('three');
    await feed();
    await runs(three, all / 2);
    await stopped(two);
    await feed();
    await runs(three, all);
    await stopped(three);
    await caughtUp(await member('four', 'none'));
    expect(await problems()).toEqual([]);
  });

  test('a member held still past its session does no harm', { timeout: 600_000 }, async () => {
    const { feed, member, problems } = await job('held');
    const one = await member('one');
    const two = await member('two');
    await runs(two, all / 2);
    await feed();
    one.child.kill('SIGSTOP');
    await feed();
    // Longer than the session, so that the other has everything.
    await runs(two, all);
    await feed();
    one.child.kill('SIGCONT');
    await feed();
    await sleep(3_000);
    two.child.kill('SIGKILL');
    await runs(one, all);
    await feed();
    await stopped(one);
    await caughtUp(await member('last', 'none'));
    expect(await problems()).toEqual([]);
  });

  test('a broker that is away is waited for', { timeout: 600_000 }, async () => {
    const { feed, member, problems } = await job('waiting');
    const one = await member('one');
    await runs(one, all);
    await feed();
    await broker.kill();
    await sleep(15_000);
    expect(one.child.exitCode).toBeNull();
    await broker.start();
    await feed();
    const two = await member('two');
    await runs(two, all / 2);
    const before = two.said();
    await stopped(one);
    // The name of the first keeps its partitions until its session is over.
    await runs(two, all, before);
    await feed();
    await stopped(two);
    await caughtUp(await member('two', 'none'));
    expect(await problems()).toEqual([]);
  });

  async function caughtUp({ ended }: Running): Promise<void> {
    const { code, stderr } = await ended;
    expect({ code, stderr }).toMatchObject({ code: 0 });
  }
});
