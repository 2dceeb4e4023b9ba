/** Identifiers of one person meet in one subject, in whatever order the events come. */

import { type TestDriver, testDriver } from 'millrace/testing';
import { describe, expect, test } from 'vitest';
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';
import { type Event, events, type Identifier } from '../../topologies/event.ts';
import { identityKinds } from '../../topologies/identity.ts';
import { checkMapping } from '../../topologies/ingest/check-mapping.ts';
import { eventMap } from '../../topologies/ingest/event-map.ts';
import segmentSpec from '../../topologies/ingest/mappings/segment-spec.json' with { type: 'json' };
import personalisation, { profileLogic } from '../../topologies/personalisation.ts';
import type { Profile } from '../../topologies/subject/profile.ts';
import { runSubject } from '../../topologies/subject/subject-run.ts';

const day = 86_400_000;
const mapping = eventMap(checkMapping(segmentSpec, 'segment-spec'));

/** Every identifier and the one that it goes on under: plain union-find over all links. */
class Components {
  readonly #parents = new Map<string, string>();
  readonly #ranks = new Map<string, number>();

  join(identities: readonly Identifier[]): void {
    for (const { kind, id } of identities) {
      this.#ranks.set(id, identityKinds.indexOf(kind));
      if (!this.#parents.has(id)) this.#parents.set(id, id);
    }
    for (const { id } of identities.slice(1)) {
      const [a, b] = [this.of(identities[0]?.id ?? ''), this.of(id)];
      if (a === b) continue;
      const [rankA = 0, rankB = 0] = [this.#ranks.get(a), this.#ranks.get(b)];
      const first = rankA < rankB || (rankA === rankB && a < b) ? a : b;
      this.#parents.set(first === a ? b : a, first);
    }
  }

  of(id: string): string {
    const parent = this.#parents.get(id) ?? id;
    return parent === id ? id : this.of(parent);
  }

  get all(): ReadonlyMap<string, string> {
    return new Map([...this.#parents.keys()].map((id) => [id, this.of(id)]));
  }
}

async function profilesOf(driver: TestDriver): Promise<Map<string, Profile>> {
  const rows = await driver.rows({ store: 'profiles' });
  return new Map(rows.map(({ key, value }) => [String(key), value as Profile]));
}

/** The subject that goes on for an identifier. */
function goesOn(profiles: ReadonlyMap<string, Profile>, id: string): string {
  const other = profiles.get(id)?.mergedInto;
  return other === undefined ? id : goesOn(profiles, other);
}

function randomLink(random: SeededRandom, size: number): Identifier[] {
  const draw = (): Identifier => {
    const kind = identityKinds[randomBelow(random, 3)] ?? 'user';
    // Names are in no order of their kinds.
    const n = (randomBelow(random, size) * 7 + identityKinds.indexOf(kind)) % 23;
    return { kind, id: `${n}-${kind}` };
  };
  const first = draw();
  const more = Array.from({ length: 1 + randomBelow(random, 2) }, draw);
  return [first, ...more.filter(({ id }) => id !== first.id)];
}

const seeds = Array.from({ length: Number(process.env['IDENTITY_SEEDS'] ?? 12) }, (_, i) => i + 1);

describe('components', () => {
  test.each(seeds)('seed %i: as a union-find has them, through restarts', async (seed) => {
    const random = new SeededRandom(seed);
    const links = Array.from({ length: 25 }, () => randomLink(random, 10)).filter(
      (link) => link.length > 1,
    );
    const components = new Components();
    for (const link of links) components.join(link);
    const partitions = 1 + randomBelow(random, 3);
    const driver = await testDriver(personalisation(), {
      partitions,
      recordsPerCycle: 1 + randomBelow(random, 8),
    });
    const records = links.map((identities, i) => ({
      key: identities[0]?.id ?? '',
      value: { id: `e${i}`, class: 'email_open', item: `m${i}`, identities } as Event,
      timestamp: day + randomBelow(random, 1_000) * 1_000,
    }));
    for (let from = 0; from < records.length; ) {
      const to = from + 1 + randomBelow(random, 10);
      await driver.pipeAll(events, records.slice(from, to));
      from = to;
      const chance = randomBelow(random, 4);
      if (chance < 2) await driver.restart({ dropState: chance === 0 });
    }
    const profiles = await profilesOf(driver);
    const found = new Map([...components.all.keys()].map((id) => [id, goesOn(profiles, id)]));
    expect(found, `seed ${seed}`).toEqual(components.all);
    // Nothing counts twice or is lost: each event counts for the one that goes on.
    const opens = new Map<string, number>();
    for (const [i] of links.entries()) {
      const subject = components.of(records[i]?.key ?? '');
      opens.set(subject, (opens.get(subject) ?? 0) + 1);
    }
    for (const [subject, count] of opens) {
      const ids = [...(profiles.get(subject)?.accepted.recent.keys() ?? [])];
      expect([subject, ids.filter((id) => /^e\d+$/.test(id)).length]).toEqual([subject, count]);
    }
    await driver.close();
  });
});

const at = (hours: number) => new Date(day + hours * 3_600_000).toISOString();
const call = (type: string, hours: number, more: object) => ({
  type,
  messageId: `${type}-${hours}`,
  timestamp: at(hours),
  ...more,
});

async function pipeCalls(driver: TestDriver, calls: readonly object[]): Promise<void> {
  for (const one of calls) {
    const mapped = mapping(one as never, 'none');
    if (!('key' in mapped)) throw new Error(JSON.stringify(mapped));
    await driver.pipe(events, mapped.key, mapped.value, mapped.timestamp);
  }
}

test('identify and alias merge what was anonymous: the score is that of all events', async () => {
  const viewed = (hours: number, who: object) =>
    call('track', hours, {
      event: 'Product Viewed',
      properties: { product_id: `p${hours}` },
      ...who,
    });
  const calls = [
    viewed(1, { anonymousId: 'anon-1' }),
    viewed(2, { anonymousId: 'anon-2' }),
    call('identify', 3, {
      userId: 'u1',
      anonymousId: 'anon-1',
      traits: { email: ' Ann@X.example ' },
    }),
    viewed(4, { anonymousId: 'anon-1' }),
    viewed(5, { userId: 'u1' }),
    call('alias', 6, { userId: 'u1', previousId: 'anon-2' }),
    call('track', 7, {
      event: 'Email Opened',
      userId: 'ann@x.example',
      properties: { email_id: 'm' },
    }),
    call('track', 8, { event: 'Signed In', userId: 'u1', anonymousId: 'anon-3' }),
    viewed(9, { anonymousId: 'anon-3' }),
  ];
  const driver = await testDriver(personalisation(), { partitions: 2 });
  await pipeCalls(driver, calls);
  const profiles = await profilesOf(driver);
  for (const id of ['anon-1', 'anon-2', 'anon-3', 'ann@x.example']) {
    expect([id, goesOn(profiles, id)]).toEqual([id, 'u1']);
  }
  const logic = profileLogic({});
  const arrivals = calls.map((one) => {
    const mapped = mapping(one as never, 'none') as { value: Event; timestamp: number };
    return { event: mapped.value, at: mapped.timestamp };
  });
  const together = runSubject(logic, 'u1', arrivals).state as Profile;
  const end = day + 10 * 3_600_000;
  const score = logic.scoreOf(profiles.get('u1') as Profile, end);
  expect(score.score).toBeGreaterThan(0);
  expect(score).toEqual(logic.scoreOf(together, end));
  await driver.close();
});

test('placeholders of clients make nobody one person', () => {
  for (const id of [
    'null',
    'undefined',
    '0',
    '-1',
    'anonymous',
    '00000000-0000-0000-0000-000000000000',
  ]) {
    const mapped = mapping(call('identify', 1, { userId: 'u1', anonymousId: id }) as never, 'none');
    expect(mapped).toMatchObject({ key: 'u1' });
    expect((mapped as { value: Event }).value.identities).toBeUndefined();
  }
});

test('what is one parts by an explicit event alone, and old links do not join it again', async () => {
  const driver = await testDriver(personalisation(), { partitions: 2 });
  const link = (n: number): Event => ({
    id: `link-${n}`,
    class: 'profile_updated',
    identities: [
      { kind: 'user', id: 'u1' },
      { kind: 'anonymous', id: 'kiosk' },
    ],
  });
  const pipe = (key: string, event: Event, days: number) =>
    driver.pipe(events, key, event, days * day);
  const open = (id: string): Event => ({ id, class: 'email_open', item: id });
  await pipe('kiosk', open('k1'), 1);
  await pipe('u1', link(1), 2);
  expect(goesOn(await profilesOf(driver), 'kiosk')).toBe('u1');
  // Who goes on cannot be split off, nor who was never joined.
  await pipe('u1', { id: 's0', class: 'subject_split' }, 3);
  await pipe('nobody', { id: 's1', class: 'subject_split' }, 3);
  expect(goesOn(await profilesOf(driver), 'kiosk')).toBe('u1');
  await pipe('kiosk', { id: 's2', class: 'subject_split' }, 3);
  expect(goesOn(await profilesOf(driver), 'kiosk')).toBe('kiosk');
  // The link of before comes once more, as from a client that sends again.
  await pipe('u1', link(2), 2);
  await pipe('kiosk', open('k2'), 4);
  await driver.restart({ dropState: true });
  const parted = await profilesOf(driver);
  expect(goesOn(parted, 'kiosk')).toBe('kiosk');
  expect([...(parted.get('kiosk')?.accepted.recent.keys() ?? [])]).toEqual(['k2']);
  await pipe('u1', link(3), 5);
  const joined = await profilesOf(driver);
  expect(goesOn(joined, 'kiosk')).toBe('u1');
  expect(joined.get('u1')?.accepted.recent.has('k2')).toBe(true);
  await driver.close();
});
