/**
 * A member killed at each step of a commit and of a hand-over: nothing is lost, nothing comes
 * twice.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type KafkaLog, openKafkaLog } from '../../engine/log/kafka/adapter/kafka-log.ts';
import { defaultKafkaSettings } from '../../engine/log/kafka/settings/kafka-settings.ts';
import { commitSteps, handOverSteps } from '../../engine/task/commit.ts';
import { launch } from '../process/millrace.ts';
import {
  countProblems,
  countsSeen,
  lostCounts,
  partitions,
  readCounts,
  writeEvents,
} from './counting-job.ts';
import { kafkaAvailable, sharedBroker } from './shared.ts';

const events = 1_200;
const input = 'kill-events';

describe.skipIf(!(await kafkaAvailable()))('killed at', () => {
  let brokers: string;
  let log: KafkaLog;
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-kill-'));
    brokers = (await sharedBroker()).address;
    log = await openKafkaLog({
      settings: { ...defaultKafkaSettings, brokers },
      application: 'kill-witness',
    });
    await log.createTopics([{ name: input, partitions, settings: {} }]);
    await writeEvents(log, input, 0, events);
  });
  afterAll(async () => {
    await log?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const member = (
    application: string,
    instance: string,
    step: string,
    nth = 0,
    ...guarantee: readonly string[]
  ) => {
    const state = join(folder, application, instance);
    const args = [brokers, state, input, application, instance, step, String(nth), ...guarantee];
    return launch('test/kafka/kill-child.ts', args);
  };

  const problems = (application: string) => countsSeen(log, input, application, events);

  // Most of the time goes by in waiting for the session of the dead to end.
  const timeout = 600_000;
  test.concurrent.each(Object.entries(commitSteps))('%s: %s', { timeout }, async (step) => {
    const application = `kill-${step.toLowerCase()}`;
    const dying = member(application, 'one', step, 4);
    expect(await dying.ended).toMatchObject({ signal: 'SIGKILL' });
    const { code, stderr } = await member(application, 'one', 'none').ended;
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(await problems(application)).toEqual([]);
  });

  test.concurrent('at least once, offsets: what is out already comes twice, nothing is lost', {
    timeout,
  }, async () => {
    const application = 'kill-twice';
    const guarantee = 'at-least-once';
    const dying = member(application, 'one', 'offsets', 4, guarantee);
    expect(await dying.ended).toMatchObject({ signal: 'SIGKILL' });
    const { code, stderr } = await member(application, 'one', 'none', 0, guarantee).ended;
    expect({ code, stderr }).toMatchObject({ code: 0 });
    const seen = await readCounts(log, input, application);
    expect(lostCounts(seen, events)).toEqual([]);
    expect(countProblems(seen, events)).not.toEqual([]);
  });

  test.concurrent.each(Object.entries(handOverSteps))('%s: %s', { timeout }, async (step) => {
    const application = `kill-${step.toLowerCase()}`;
    const dying = member(application, 'one', step, 1);
    await dying.says('started');
    const next = member(application, 'two', 'none');
    expect(await dying.ended).toMatchObject({ signal: 'SIGKILL' });
    expect(await next.ended).toMatchObject({ code: 0 });
    // Whoever comes last has caught up with all partitions, also those the dead one held.
    const last = await member(application, 'two', 'none').ended;
    expect({ code: last.code, stderr: last.stderr }).toMatchObject({ code: 0 });
    expect(await problems(application)).toEqual([]);
  });
});
