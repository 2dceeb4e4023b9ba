/**
 * Several processes share the tasks of an application, and each answers for all: while one is
 * killed, while one comes. Random keys are asked through random processes; every answer is right as
 * of its commit, and what cannot be answered is a clear error.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';
import { type KafkaLog, openKafkaLog } from '../../engine/log/kafka/adapter/kafka-log.ts';
import { defaultKafkaSettings } from '../../engine/log/kafka/settings/kafka-settings.ts';
import { BatchBuilder } from '../../engine/record/batch.ts';
import { emptyFolder, launch, type Running } from '../process/millrace.ts';
import { kafkaAvailable, sharedBroker } from './shared.ts';

const partitions = 6;
const name = 'processes';
const words = Array.from({ length: 36 }, (_, i) => `w${i}`);
const perWord = 4;

interface Member extends Running {
  readonly url: string;
}

interface Asked {
  readonly status: number;
  readonly body: {
    readonly rows?: readonly { readonly value: number }[];
    readonly asOf?: { readonly task: string };
    readonly code?: string;
    readonly problem?: string;
  };
}

describe.skipIf(!(await kafkaAvailable()))('questions to several processes', () => {
  let brokers: string;
  let log: KafkaLog;
  beforeAll(async () => {
    brokers = (await sharedBroker()).address;
    const settings = { ...defaultKafkaSettings, brokers };
    log = await openKafkaLog({ settings, application: `${name}-witness` });
  }, 300_000);
  afterAll(() => log?.close());

  async function feed(count: number): Promise<void> {
    const topic = `${name}-words`;
    const writer = await log.openWriter(`${topic}-feeder`);
    const builders = Array.from({ length: partitions }, () => new BatchBuilder());
    for (let n = 0; n < count; n++) {
      for (const [i, word] of words.entries()) {
        builders[(i + n) % partitions]?.append(Buffer.from(word), Buffer.from(word), Date.now());
      }
    }
    const appends = builders.map((builder, partition) => {
      return { topic, partition, batch: builder.finishAt(0) };
    });
    await writer.commit({ appends, offsets: [], commitId: 1 });
    await writer.close();
  }

  test('any of them answers for all, while one is killed and one comes', {
    timeout: 300_000,
  }, async () => {
    await log.createTopics([{ name: `${name}-words`, partitions, settings: {} }]);
    await feed(perWord);
    const folder = await emptyFolder();
    const member = async (own: string): Promise<Member> => {
      const running = launch(
        'topologies/app/main.ts',
        [
          ...['run', 'test/kafka/fault-job.ts', '--brokers', brokers, '--data', join(folder, own)],
          ...['--application', name, '--partitions', String(partitions), '--threads', '0'],
          ...['--http', '0', '--log-level', 'info'],
        ],
        { MILLRACE_TEST_JOB: name },
      );
      onTestFinished(() => void running.child.kill('SIGKILL'));
      await running.says('questions, metrics and health on');
      const [, url = ''] = /(http:\/\/127\.0\.0\.1:\d+)/.exec(running.said()) ?? [];
      return { ...running, url };
    };
    const ask = async ({ url }: Member, word: string): Promise<Asked> => {
      const answer = await fetch(`${url}/v1/stores/words/rows/${word}`);
      return { status: answer.status, body: (await answer.json()) as Asked['body'] };
    };
    /** Until each process answers for every word, as it should be. */
    const allRight = async (members: readonly Member[], expected: number) => {
      for (const one of members) {
        for (const word of words) {
          for (;;) {
            const { status, body } = await ask(one, word);
            if (status === 200 && body.rows?.[0]?.value === expected) break;
            expect([200, 503], JSON.stringify(body)).toContain(status);
            await sleep(200);
          }
        }
      }
    };
    const [first, second, third] = await Promise.all(['a', 'b', 'c'].map(member));
    if (first === undefined || second === undefined || third === undefined) throw new Error();
    await allRight([first, second, third], perWord);
    const tasks = new Set<string>();
    for (const word of words) tasks.add((await ask(first, word)).body.asOf?.task ?? '');
    expect(tasks.size, 'the words lie in every task').toBe(partitions);
    // No words, and a word that nobody knows.
    expect((await ask(second, 'nothing')).body.rows).toEqual([]);

    const seed = 7;
    const random = new SeededRandom(seed);
    const living = [first, second];
    let stopped = false;
    const seen = { right: 0, refused: 0 };
    /** Words that may be committed, and by word what an answer that is over has shown. */
    let fed = perWord;
    const shown = new Map<string, number>();
    const askAndAsk = async () => {
      while (!stopped) {
        const one = living[randomBelow(random, living.length)] as Member;
        const word = words[randomBelow(random, words.length)] as string;
        const least = shown.get(word) ?? perWord;
        const { status, body } = await ask(one, word);
        const at = `seed ${seed}, ${word}: ${JSON.stringify(body)}`;
        if (status === 200) {
          seen.right++;
          const value = body.rows?.[0]?.value ?? 0;
          // Whoever holds it now: nothing goes back behind an answer that was given before.
          expect(value, at).toBeGreaterThanOrEqual(least);
          expect(value, at).toBeLessThanOrEqual(fed);
          shown.set(word, Math.max(value, shown.get(word) ?? 0));
        } else {
          seen.refused++;
          expect([status, body.code], at).toEqual([503, 'STATE_AWAY']);
          expect(body.problem, at).toMatch(/no process has the rows of words now: /);
        }
        await sleep(5);
      }
    };
    const asking = Promise.all([askAndAsk(), askAndAsk(), askAndAsk()]);
    third.child.kill('SIGKILL');
    await third.ended;
    const starting = member('d');
    // The words change while tasks move.
    while (fed < perWord + 5) {
      fed++;
      await feed(1);
      await sleep(1_000);
    }
    const fourth = await starting;
    await allRight([first, second, fourth], fed);
    living.push(fourth);
    await sleep(500);
    stopped = true;
    await asking;
    expect(seen.right).toBeGreaterThan(100);

    await feed(1);
    await allRight([first, second, fourth], fed + 1);
    // Who is no process of the application is refused, at the door between them.
    const stranger = await fetch(`${first.url}/v1/tasks/rows`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: 'Bearer guess' },
      body: JSON.stringify({ task: '1_0', question: {} }),
    });
    expect(stranger.status).toBe(401);
    for (const one of [first, second, fourth]) one.child.kill('SIGTERM');
    for (const one of [first, second, fourth]) expect((await one.ended).code).toBe(0);
  });
});
