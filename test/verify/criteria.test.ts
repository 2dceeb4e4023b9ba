/**
 * One seeded log in many ways: other orders of arrival, numbers of partitions, and time that
 * passes in one step or in thousands. Scores, bands and memberships are the same, and those of SQL.
 */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestDriver, testDriver } from 'millrace/testing';
import { expect, test } from 'vitest';
import { readMapping } from '../../topologies/app/mappings.ts';
import { events, segmentChanges } from '../../topologies/event.ts';
import { defaultSample, sampleLines } from '../../topologies/ingest/sample.ts';
import personalisation, {
  type PersonalisationConfig,
  profileLogic,
} from '../../topologies/personalisation.ts';
import {
  canonical,
  compareWithSql,
  type EngineResult,
  standingEnds,
} from '../../topologies/verify/compare.ts';
import type { LoggedEvent } from '../../topologies/verify/database.ts';
import { emptyFolder } from '../process/millrace.ts';
import { runOver } from './engine-run.ts';
import { readEvents } from './events.ts';
import { shuffledFile } from './shuffle.ts';

const day = 86_400_000;
// Nothing is late, in whatever order it comes.
const config: PersonalisationConfig = { engagement: { graceMs: 1_000 * day } };
interface Sample {
  readonly folder: string;
  readonly input: string;
}

async function sample(): Promise<Sample> {
  const folder = await emptyFolder();
  const input = join(folder, 'sample.jsonl');
  const lines = sampleLines({ ...defaultSample, seed: 11, subjects: 24, days: 45 });
  await writeFile(input, `${lines.join('\n')}\n`);
  return { folder, input };
}

/** Everything told of each subject, in an order of its own. */
function exported({ profiles, changes, end }: EngineResult): string[] {
  const logic = profileLogic(config);
  const rows = [...profiles].map(([subject, profile]) => {
    const own = changes.filter((change) => change.user === subject);
    const ids = [...new Set(own.map((change) => change.segment))].sort();
    const members = ids
      .map((id) => [id, standingEnds(own.filter((change) => change.segment === id))] as const)
      // What was told and taken back altogether was never there.
      .filter(([, ends]) => ends.length > 0);
    const scores = [0, 30, 400].map((days) => logic.scoreOf(profile, end + days * day));
    return [subject, scores, logic.companionsOf(profile, end), members];
  });
  return rows.map(canonical).sort();
}

interface Way {
  readonly partitions: number;
  /** Of a random order of arrival. */
  readonly seed?: number;
}

async function runWith({ folder, input }: Sample, { partitions, seed }: Way) {
  const mapping = await readMapping('sample');
  let file = input;
  if (seed !== undefined) {
    file = join(folder, `shuffled-${seed}.jsonl`);
    await shuffledFile(mapping, [input], seed, file);
  }
  const directory = join(folder, `${partitions}-${seed ?? 'as-it-came'}`);
  return runOver({ directory, mapping, config, files: [file], partitions, threads: 0 });
}

test('partitions and the order of arrival change nothing', {
  timeout: 300_000,
}, async () => {
  const made = await sample();
  const first = await runWith(made, { partitions: 1 });
  const expected = exported(first);
  expect(first.changes.length).toBeGreaterThan(80);
  for (const options of [
    { partitions: 16 },
    { partitions: 4, seed: 1 },
    { partitions: 16, seed: 2 },
  ]) {
    expect([options, exported(await runWith(made, options))]).toEqual([options, expected]);
  }
  const logged = await readEvents(await readMapping('sample'), [made.input]);
  const parts = await compareWithSql(config, logged, first);
  expect(parts.filter((part) => part.differing > 0)).toEqual([]);
});

/** The first events of the sample, as the log has them. */
async function someEvents() {
  const { input } = await sample();
  return (await readEvents(await readMapping('sample'), [input])).slice(0, 2_000);
}

async function pipe(driver: TestDriver, logged: readonly LoggedEvent[]): Promise<void> {
  await driver.pipeAll(
    events,
    logged.map(({ subject, at, event }) => ({ key: subject, value: event, timestamp: at })),
  );
}

const toldBy = async (driver: TestDriver) =>
  (await driver.read(segmentChanges)).map(({ value }) => JSON.stringify(value)).sort();

test('time that passes at once, or in 10,000 steps, ends memberships at the same instants', async () => {
  const logged = await someEvents();
  const last = Math.max(...logged.map(({ at }) => at));
  const outcome = async (steps: number) => {
    const driver = await testDriver(personalisation(config));
    await pipe(driver, logged);
    for (let i = 1; i <= steps; i++)
      await driver.advanceTo(last + Math.floor((i * 120 * day) / steps));
    const told = await toldBy(driver);
    await driver.close();
    return told;
  };
  const once = await outcome(1);
  expect(once.filter((change) => change.includes('"cause":"time"')).length).toBeGreaterThan(20);
  expect(await outcome(10_000)).toEqual(once);
});

test('a snapshot and the events after it give what all events give', async () => {
  const logged = await someEvents();
  const end = Math.max(...logged.map(({ at }) => at)) + 60 * day;
  const outcome = async (cuts: readonly number[]) => {
    const driver = await testDriver(personalisation(config), { partitions: 3 });
    const told: string[] = [];
    for (const [i, cut] of [0, ...cuts].entries()) {
      await pipe(driver, logged.slice(cut, cuts[i]));
      told.push(...(await toldBy(driver)));
      // The compacted changelog is the snapshot: of the state nothing else is left.
      if (i < cuts.length) await driver.restart({ dropState: true });
    }
    await driver.advanceTo(end);
    told.push(...(await toldBy(driver)));
    const rows = await driver.rows({ store: 'profiles' });
    await driver.close();
    return { told: told.sort(), profiles: rows.map(canonical).sort() };
  };
  const whole = await outcome([]);
  expect(whole.told.length).toBeGreaterThan(80);
  for (const cuts of [[700], [1, 333, 1_999]]) expect(await outcome(cuts)).toEqual(whole);
});
