/**
 * A night that is given again with rows changed, added or removed: what the application holds and
 * has told is in the end what a recomputation from the corrected files makes.
 */

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';
import type { Topic } from '../../engine/graph/topic.ts';
import type { Log } from '../../engine/log/log.ts';
import { topicRecords } from '../../engine/log/topic-records.ts';
import { withState } from '../../topologies/app/kept-personalisation.ts';
import { load, type Manifest } from '../../topologies/app/nights/load-night.ts';
import { takenEvents } from '../../topologies/app/questions/taken-events.ts';
import { clockOf } from '../../topologies/app/start-report.ts';
import { mismatchesOf, verifySample } from '../../topologies/app/verify.ts';
import {
  activityLabels,
  type SegmentChange,
  scores,
  segmentChanges,
  segmentStates,
} from '../../topologies/event.ts';
import { profileLogic } from '../../topologies/personalisation.ts';
import { fold } from '../../topologies/segments/membership.ts';
import type { Profile } from '../../topologies/subject/profile.ts';
import { emptyFolder } from './millrace.ts';

interface Row {
  readonly id?: string;
  readonly subject: string;
  readonly time: string;
  readonly [more: string]: unknown;
}

vi.spyOn(process.stderr, 'write').mockReturnValue(true);

// Each load listens for signals.
afterEach(() => {
  for (const signal of ['SIGINT', 'SIGTERM']) process.removeAllListeners(signal);
});

const day = 86_400_000;
const first = Date.UTC(2026, 0, 10);
const classes = [
  ...['email_sent', 'email_delivered', 'email_open', 'email_open', 'email_click', 'email_click'],
  ...['page_view', 'product_view', 'add_to_cart', 'purchase', 'purchase', 'refund'],
];

/** Rows of a night: mostly of its day, some a day and more late. */
function nightOf(random: SeededRandom, night: number, count: number): Row[] {
  return Array.from({ length: count }, (_, i) => {
    const late = randomBelow(random, 8) === 0 ? 2 * day : 0;
    const at = first + night * day + randomBelow(random, day) - late;
    const name = classes[randomBelow(random, classes.length)] as string;
    return {
      // Some are there twice, also in other nights; some have none.
      ...(randomBelow(random, 6) === 0 ? {} : { id: `e${randomBelow(random, 400)}` }),
      subject: `s${randomBelow(random, 14)}`,
      class: name,
      item: `${night}-${i % 9}`,
      time: new Date(at).toISOString(),
      plan: ['free', 'premium'][randomBelow(random, 2)],
      ...(randomBelow(random, 9) === 0 ? { agent: 'a crawler bot' } : {}),
      ...(randomBelow(random, 12) === 0 ? { honeypot: true } : {}),
      ...(randomBelow(random, 20) === 0 ? { time: 'never' } : {}),
    };
  });
}

/** The same night with rows changed, removed, added and moved. */
function corrected(random: SeededRandom, rows: readonly Row[], night: number): Row[] {
  const more = nightOf(random, night, 6);
  const kept = rows.flatMap((row) => {
    const chance = randomBelow(random, 12);
    if (chance === 0) return [];
    if (chance === 1) return [{ ...row, subject: `s${randomBelow(random, 16)}` }];
    if (chance === 2) return [{ ...row, time: more[0]?.time ?? row.time }];
    return [row];
  });
  kept.splice(randomBelow(random, kept.length), 0, ...more.slice(0, 3));
  kept.push(...more.slice(3));
  return kept;
}

const mapping = {
  format: 'jsonl',
  subject: 'subject',
  time: { field: 'time', format: 'iso' },
  id: ['id'],
  class: { field: 'class' },
  item: 'item',
  traits: { plan: 'plan' },
  evidence: { agent: 'agent', honeypot: 'honeypot' },
};

class Folder {
  readonly path: string;
  readonly data: string;

  constructor(path: string) {
    this.path = path;
    this.data = join(path, 'data');
  }

  async load(
    files: Readonly<Record<string, readonly Row[]>>,
    more: object = {},
  ): Promise<Manifest> {
    const mappingFile = join(this.path, 'mapping.json');
    await writeFile(mappingFile, JSON.stringify({ ...mapping, ...more }));
    const names = Object.keys(files).map((name) => join(this.path, name));
    for (const [name, rows] of Object.entries(files)) {
      const lines = rows.map((row) => `${JSON.stringify(row)}\n`);
      await writeFile(join(this.path, name), lines.join(''));
    }
    const manifest = join(this.path, 'manifest.json');
    await load({
      manifest,
      data: this.data,
      threads: 0,
      logLevel: 'error',
      tokens: [
        ...names.map((value) => ({ name: 'input', value }) as const),
        { name: 'mapping', value: mappingFile },
      ],
    });
    return JSON.parse(await readFile(manifest, 'utf8')) as Manifest;
  }

  /** What is held and told at the end, without the numbers and instants of the telling. */
  final(at?: number) {
    return withState({ data: this.data }, async (asked) => {
      const { log, runtime, config } = asked;
      const clock = at ?? (await clockOf(runtime));
      const logic = profileLogic(config);
      const profiles = new Map<string, unknown>();
      for (const { key, value } of await runtime.query('profiles')) {
        const profile = value as Profile;
        if (profile.segments.program === '') continue;
        const members = [...profile.segments.members].filter(([, { in: isIn }]) => isIn);
        const since = members.map(([id, member]) => [id, member.since, member.version]);
        const { accepted, engagement, band, clock: own } = profile;
        const { history } = profile.segments;
        const kept = { accepted, engagement, band, own, history };
        const score = logic.scoreOf(profile, clock);
        profiles.set(String(key), { score, since: since.sort(), kept });
      }
      const last = new Map<string, unknown>();
      for await (const record of recordsWithNulls(log, scores)) {
        if (record.value === null) last.delete(record.key);
        else {
          const { score, subs, band } = record.value;
          last.set(record.key, { score, subs, band });
        }
      }
      const states = new Map<string, unknown>();
      for await (const { key, value } of recordsWithNulls(log, segmentStates)) {
        if (value?.in === true) states.set(key, { since: value.since, version: value.version });
        else states.delete(key);
      }
      const changes = new Map<string, SegmentChange[]>();
      for await (const { value } of topicRecords(log, segmentChanges)) {
        const name = `${value.user}|${value.segment}`;
        changes.set(name, [...(changes.get(name) ?? []), value]);
      }
      const intervals = [...changes].map(([name, all]) => [name, fold(all)] as const);
      const told = new Map<string, string>();
      for await (const { value } of topicRecords(log, activityLabels)) {
        told.set(`${value.user} ${value.eventId}`, value.label);
      }
      const machines = [...told].filter(([, label]) => label === 'machine').map(([name]) => name);
      const taken: unknown[] = [];
      for await (const { key, value, timestamp } of takenEvents(log)) {
        taken.push([key, timestamp, value]);
      }
      const verified = mismatchesOf(await verifySample(asked, 1_000));
      return {
        clock,
        verified,
        final: {
          profiles: sorted(profiles),
          last: sorted(last),
          states: sorted(states),
          intervals: sorted(new Map(intervals.filter(([, all]) => all.length > 0))),
          machines: machines.sort(),
          taken: taken.map((one) => JSON.stringify(one)).sort(),
        },
      };
    });
  }
}

async function* recordsWithNulls<V>(log: Log, topic: Topic<string, V>) {
  const found = (await log.topics()).find(({ name }) => name === topic.name);
  for (let partition = 0; partition < (found?.partitions ?? 0); partition++) {
    const at = { topic: topic.name, partition };
    for (let from = await log.startOffset(at); ; ) {
      const batch = await log.read(at, from, { records: 10_000 });
      if (batch === undefined) break;
      for (let i = 0; i < batch.count; i++) {
        const [key, value] = [batch.key(i)?.toString() ?? '', batch.value(i)];
        yield { key, value: value === null ? null : topic.value.decode(value, 0, value.length) };
      }
      from = batch.nextOffset;
    }
  }
}

function sorted<V>(map: ReadonlyMap<string, V>): [string, V][] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1));
}

test.each([1, 2])(
  'corrected nights are as a recomputation, seed %i',
  async (seed) => {
    const random = new SeededRandom(seed);
    const own = new Folder(await emptyFolder());
    const nights = [0, 1, 2].map((night) => nightOf(random, night, 90));
    // Nights of even seeds are sorted by their times.
    const more = seed % 2 === 0 ? { order: 'time' } : {};
    const give = (folder: Folder, night: number) =>
      folder.load({ [`night-${night}.jsonl`]: nights[night] ?? [] }, more);
    for (const night of [0, 1]) expect((await give(own, night)).result).toBe('loaded');
    for (const night of [0, 1, 0]) {
      nights[night] = corrected(random, nights[night] ?? [], night);
      const { result, corrected: told, rows } = await give(own, night);
      expect(result).toBe('corrected');
      expect(told).toHaveLength(1);
      const refused = Object.values(rows.rejected).reduce((sum, count) => sum + count, 0);
      expect(rows.in).toBe(rows.out + refused);
    }
    // Rows behind those that were taken, in a night that another follows.
    nights[0]?.push(...nightOf(random, 0, 5));
    expect((await give(own, 0)).result).toBe('corrected');
    const before = await readFile(join(own.path, 'manifest.json'), 'utf8');
    expect((await give(own, 0)).result).toBe('corrected');
    expect(await readFile(join(own.path, 'manifest.json'), 'utf8')).toBe(before);
    expect((await give(own, 2)).result).toBe('loaded');
    const anew = new Folder(await emptyFolder());
    for (const night of [0, 1, 2]) await give(anew, night);
    const [is, wanted] = [await own.final(), await anew.final()];
    expect(is.verified).toBe(0);
    expect(wanted.verified).toBe(0);
    expect(is.final).toEqual(wanted.final);
  },
  600_000,
);

const open = (id: string, subject: string, more: object = {}): Row => ({
  id,
  subject,
  class: 'email_open',
  time: new Date(first).toISOString(),
  ...more,
});

test('what was told wrongly is taken back by what supersedes it', async () => {
  const folder = new Folder(await emptyFolder());
  await folder.load({ 'a.jsonl': [open('1', 'ann'), open('2', 'ann')] });
  const { corrected: told } = await folder.load({
    'a.jsonl': [open('1', 'ann'), open('2', 'bob')],
  });
  expect(told).toMatchObject([{ subjects: 2, events: { same: 1, removed: 1, added: 1 } }]);
  const changes: SegmentChange[] = [];
  await withState({ data: folder.data }, async ({ log }) => {
    for await (const { value } of topicRecords(log, segmentChanges)) changes.push(value);
  });
  const ofAnn = changes.filter(
    ({ user, segment }) => user === 'ann' && segment.startsWith('opens'),
  );
  expect(ofAnn).toMatchObject([
    { type: 'entered', cause: 'event', seq: 1 },
    { type: 'exited', cause: 'correction', seq: 2, effectiveAt: first },
  ]);
  const ofBob = changes.filter(({ user }) => user === 'bob');
  expect(ofBob.length).toBeGreaterThan(0);
  expect(ofBob.every(({ cause }) => cause === 'correction')).toBe(true);
}, 600_000);

test('what cannot be corrected soundly is refused, and nothing is written', async () => {
  const folder = new Folder(await emptyFolder());
  const identities = [
    { kind: 'user', field: 'subject' },
    { kind: 'anonymous', field: 'anonymous' },
  ];
  const more = { identities };
  const given = {
    'a.jsonl': [open('1', 'ann'), open('2', 'ann', { anonymous: 'x' })],
    'b.jsonl': [open('3', 'bob')],
  };
  await folder.load(given, more);
  const ends = () =>
    withState({ data: folder.data }, async ({ log }) => {
      const topics = await log.topics();
      const all = topics.flatMap(({ name, partitions }) =>
        Array.from({ length: partitions }, (_, partition) => ({ topic: name, partition })),
      );
      return Promise.all(all.map((at) => log.endOffset(at)));
    });
  const before = await ends();
  const refused = (files: Record<string, readonly Row[]>, problem: RegExp) =>
    expect(folder.load(files, more)).rejects.toMatchObject({
      code: 'INPUT_CHANGED',
      message: expect.stringMatching(problem),
    });
  await refused({ 'b.jsonl': [open('4', 'eve'), open('3', 'bob')] }, /give all files/);
  const joined = [open('1', 'ann'), open('2', 'ann', { anonymous: 'y' })];
  await refused({ ...given, 'a.jsonl': joined }, /was merged with another/);
  expect(await ends()).toEqual(before);
}, 600_000);
