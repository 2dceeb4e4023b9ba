/** Categories of browsing: the engine beside SQL, and another table as another definition. */
import { Ajv2020 } from 'ajv/dist/2020.js';
import { MillraceError } from 'millrace';
import { testDriver } from 'millrace/testing';
import { describe, expect, test } from 'vitest';
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';
import { definitionRoutes } from '../../topologies/app/questions/definition-routes.ts';
import { type Event, events, segmentChanges } from '../../topologies/event.ts';
import personalisation, {
  type PersonalisationConfig,
  profileLogic,
  warnPersonalisation,
} from '../../topologies/personalisation.ts';
import { Categories, type CategoryTable } from '../../topologies/segments/categories.ts';
import { segmentsSchema } from '../../topologies/segments/segment-schema.ts';
import { segmentToJson, toText } from '../../topologies/segments/unparse.ts';
import { segmentInWords } from '../../topologies/segments/words.ts';
import type { Profile } from '../../topologies/subject/profile.ts';
import { runSubject } from '../../topologies/subject/subject-run.ts';
import { compareWithSql } from '../../topologies/verify/compare.ts';
import type { LoggedEvent } from '../../topologies/verify/database.ts';
import { whatIf } from '../../topologies/what-if.ts';
import { emptyFolder } from '../process/millrace.ts';

const day = 86_400_000;
const end = 60 * day;

/** By the form of the address; then by product. */
const first: CategoryTable = {
  version: 1,
  rules: [
    { when: { link: { startsWith: '/shoes/' } }, category: 'shoes' },
    { when: { link: { pattern: '^/(sale|outlet)/' }, class: 'page_view' }, category: 'sale' },
    { when: { item: ['p1', 'p2'], amount: true }, category: 'shoes' },
  ],
};
const second: CategoryTable = {
  version: 2,
  otherwise: 'other',
  rules: [
    { when: { link: { contains: ['BOOTS', 'sale'], ignoreCase: true } }, category: 'boots' },
    { when: { link: { startsWith: '/shoes/', endsWith: 'red' } }, category: 'shoes' },
    { when: { item: { equals: 'p2' }, 'traits.vip': 'true' }, category: 'boots' },
    { when: { link: false, amount: { equals: 500 } }, category: 'sale' },
  ],
};

const where = (category: unknown) => ({ where: { category } });
const segments = [
  {
    id: 'walks',
    version: 1,
    when: {
      count: {
        event: ['page_view', 'product_view'],
        ...where('shoes'),
        op: 'ge',
        n: 2,
        within: '9d',
      },
    },
  },
  {
    id: 'wide',
    version: 1,
    when: { count: { event: 'page_view', distinct: 'category', op: 'ge', n: 2, within: '20d' } },
  },
  {
    id: 'returns',
    version: 1,
    when: {
      sequence: {
        steps: [
          { event: 'page_view', bind: 'category' },
          { event: 'product_view', bind: 'category' },
        ],
        within: '10d',
        for: '5d',
      },
    },
  },
  {
    id: 'leaves',
    version: 1,
    when: {
      abandoned: {
        start: { event: 'page_view', ...where({ op: 'in', value: ['boots', 'sale'] }) },
        unless: 'product_view',
        key: 'category',
        after: '1d',
        for: '4d',
      },
    },
  },
  {
    id: 'any',
    version: 1,
    when: { not: { absent: { event: 'product_view', ...where({ op: 'exists' }), for: '7d' } } },
  },
  {
    id: 'plain',
    version: 1,
    when: { count: { event: 'page_view', op: 'ge', n: 5, within: '30d' } },
  },
];

const configOf = (categories: CategoryTable): PersonalisationConfig =>
  ({ segments, categories }) as unknown as PersonalisationConfig;

function drawn(seed: number): LoggedEvent[] {
  const random = new SeededRandom(seed);
  const pick = <T>(all: readonly T[]): T => all[randomBelow(random, all.length)] as T;
  const links = ['/shoes/1', '/shoes/boots/red', '/sale/boots', '/outlet/2', '/about', '/SALE/x'];
  const logged = Array.from({ length: 160 }, (_, i): LoggedEvent => {
    const name = pick(['page_view', 'page_view', 'product_view', 'purchase']);
    const event: Event = {
      id: `e${i}`,
      class: name,
      ...(randomBelow(random, 4) > 0 ? { link: pick(links) } : {}),
      ...(randomBelow(random, 3) === 0 ? { item: pick(['p1', 'p2', 'p3']) } : {}),
      ...(randomBelow(random, 3) === 0 ? { numbers: { amount: pick([500, 1_200]) } } : {}),
      ...(randomBelow(random, 4) === 0 ? { traits: { vip: pick([true, false]) } } : {}),
    };
    return {
      subject: pick(['ann', 'ben', 'cid', 'dan']),
      at: randomBelow(random, 55 * day),
      event,
    };
  });
  return logged.sort((a, b) => a.at - b.at);
}

const recordsOf = (logged: readonly LoggedEvent[]) =>
  logged.map(({ subject, at, event }) => ({ key: subject, value: event, timestamp: at }));

/** @param after the table from `cut` on, as a start with it does */
async function resultOf(
  logged: readonly LoggedEvent[],
  before: CategoryTable,
  after?: CategoryTable,
) {
  const cut = after === undefined ? end : 30 * day;
  const driver = await testDriver(personalisation(configOf(before)));
  const sooner = logged.filter(({ at }) => at <= cut);
  await driver.pipeAll(events, recordsOf(sooner));
  await driver.advanceTo(cut);
  if (after !== undefined) {
    await driver.restart({ topology: personalisation(configOf(after)) });
    const logic = profileLogic(configOf(after));
    for (const { key, timestamp = 0 } of await driver.rows({ store: 'profiles' })) {
      const { state } = runSubject(
        logic,
        String(key),
        sooner.filter(({ subject }) => subject === key),
      );
      await driver.pipe(events, String(key), logic.redefined(state), timestamp);
    }
    await driver.pipeAll(events, recordsOf(logged.filter(({ at }) => at > cut)));
    await driver.advanceTo(end);
  }
  const rows = await driver.rows({ store: 'profiles' });
  const changes = (await driver.read(segmentChanges)).flatMap(({ value }) => value ?? []);
  await driver.close();
  const profiles = new Map(rows.map(({ key, value }) => [String(key), value as Profile]));
  return { end, profiles, changes, labels: [] };
}

const membersOf = (profiles: ReadonlyMap<string, Profile>) =>
  new Map(
    segments.map(({ id }) => [
      id,
      [...profiles].flatMap(([key, one]) => (one.segments.members.get(id)?.in ? [key] : [])).sort(),
    ]),
  );

test.each([1, 2, 3])('0 differing from SQL under each table (seed %i)', async (seed) => {
  const logged = drawn(seed);
  for (const table of [first, second]) {
    const result = await resultOf(logged, table);
    expect(result.changes.length).toBeGreaterThan(20);
    const parts = await compareWithSql(configOf(table), logged, result);
    expect(parts.filter(({ differing }) => differing > 0)).toEqual([]);
  }
});

test('SQL by another table finds the difference', async () => {
  const logged = drawn(1);
  const parts = await compareWithSql(configOf(second), logged, await resultOf(logged, first));
  const differing = parts.filter((part) => part.differing > 0).map(({ name }) => name);
  expect(differing).toContain('segment walks');
  expect(differing).not.toContain('segment plain');
});

test.each([4, 5])(
  'another table: decided anew, as if it had always been; the difference is foretold (seed %i)',
  async (seed) => {
    const logged = drawn(seed);
    const [changed, anew, old] = [
      await resultOf(logged, first, second),
      await resultOf(logged, second),
      await resultOf(logged, first),
    ];
    expect(membersOf(changed.profiles)).toEqual(membersOf(anew.profiles));
    const parts = await compareWithSql(configOf(second), logged, changed);
    expect(parts.filter(({ differing }) => differing > 0)).toEqual([]);
    const redefined = changed.changes.filter(({ cause }) => cause === 'definition');
    expect(redefined.length).toBeGreaterThan(0);
    // What reads no category is as it was.
    expect(redefined.map(({ segment }) => segment)).not.toContain('plain');

    const subjects = ['ann', 'ben', 'cid', 'dan'].map((subject) => {
      const own = logged.filter((one) => one.subject === subject);
      return [subject, own.map(({ event, at }) => ({ event, at }))] as const;
    });
    const foretold = whatIf(configOf(first), configOf(second), subjects, end);
    const [was, is] = [membersOf(old.profiles), membersOf(anew.profiles)];
    for (const { id, enter, leave, changed: isOther } of foretold.segments) {
      const [before = [], after = []] = [was.get(id), is.get(id)];
      expect(enter).toEqual(after.filter((one) => !before.includes(one)));
      expect(leave).toEqual(before.filter((one) => !after.includes(one)));
      expect(isOther).toBe(id !== 'plain');
    }
    const [one, other] = [new Categories(first), new Categories(second)];
    const moved = logged.filter(({ event }) => one.of(event) !== other.of(event));
    expect(foretold.categories).toMatchObject({ before: 1, after: 2, events: logged.length });
    const told = foretold.categories?.moved ?? [];
    expect(told.reduce((sum, { events: count }) => sum + count, 0)).toBe(moved.length);
    expect(whatIf(configOf(first), configOf(first), subjects, end).categories?.moved).toEqual([]);
  },
);

describe('a table', () => {
  test('gives the category of the first rule that fits, else `otherwise`, else none', () => {
    const of = (table: CategoryTable, event: Partial<Event>) =>
      new Categories(table).of({ id: 'e', class: 'page_view', ...event });
    expect(of(first, { link: '/shoes/7' })).toBe('shoes');
    expect(of(first, { link: '/outlet/7' })).toBe('sale');
    expect(of(first, { link: '/outlet/7', class: 'product_view' })).toBeUndefined();
    expect(of(first, { item: 'p1' })).toBeUndefined();
    expect(of(first, { item: 'p1', numbers: { amount: 0 } })).toBe('shoes');
    expect(of(second, { link: '/old-boots' })).toBe('boots');
    expect(of(second, { numbers: { amount: 500 } })).toBe('sale');
    expect(of(second, {})).toBe('other');
  });

  test('of another version, or with other notes, means the same', () => {
    const noted = first.rules.map((rule) => ({ ...rule, note: 'why' }));
    const again = new Categories({ version: 9, rules: noted });
    expect(again.path).toBe(new Categories(first).path);
    expect(new Categories(second).path).not.toBe(again.path);
  });

  test.each([
    ['rules', { version: 1 }, 'categories.rules'],
    ['a version', { rules: [] }, 'categories.version'],
    ['a category', { version: 1, rules: [{ when: { link: 'a' } }] }, 'categories.rules.0.category'],
    ['a test', { version: 1, rules: [{ when: {}, category: 'a' }] }, 'categories.rules.0.when'],
    [
      'a pattern of RE2',
      { version: 1, rules: [{ when: { link: { pattern: '(?<=a)b' } }, category: 'a' }] },
      'categories.rules.0.when.link.pattern',
    ],
    ['known members', { version: 1, rules: [], rule: [] }, 'categories.rule'],
  ])('without %s is refused with its path', (_, table, field) => {
    let found: unknown;
    try {
      profileLogic({ categories: table } as unknown as PersonalisationConfig);
    } catch (error) {
      found = error;
    }
    expect(found).toBeInstanceOf(MillraceError);
    expect(found).toMatchObject({ code: 'CONFIG_INVALID', context: { field } });
  });

  test('that says something else is kept with a greater version only; segments keep theirs', async () => {
    const folder = await emptyFolder();
    const save = definitionRoutes({ config: configOf(first) }, folder).find(
      ({ path }) => path === '/segment/save',
    );
    const saved = async (table: CategoryTable) =>
      save?.answer(new URLSearchParams(), configOf(table), new AbortController().signal);
    await expect(saved({ ...second, version: 1 })).rejects.toMatchObject({
      context: { field: 'categories.version' },
    });
    expect(await saved(second)).toMatchObject({ file: expect.stringContaining(folder) });
    expect(await saved(first)).toBeDefined();
  });

  test('is valid by the published schema, as the configurations here are', () => {
    const validate = new Ajv2020({ allowUnionTypes: true }).compile(segmentsSchema());
    for (const table of [first, second]) {
      expect(validate(JSON.parse(JSON.stringify(configOf(table)))) || validate.errors).toBe(true);
    }
    expect(validate({ segments: [], categories: { version: 1 } })).toBe(false);
  });

  test('a category that no rule gives is warned of', () => {
    const when = { count: { event: 'page_view', ...where('shose'), op: 'ge', n: 1, within: '1d' } };
    const config = { categories: first, segments: [{ id: 's', version: 1, when }] };
    const warned = warnPersonalisation(config as unknown as PersonalisationConfig);
    expect(warned.map(({ problem }) => problem)).toEqual([
      'no rule gives the category "shose"; did you mean shoes?',
    ]);
    const right = { ...config, segments };
    expect(warnPersonalisation(right as unknown as PersonalisationConfig)).toMatchObject([
      { problem: expect.stringContaining('"boots"') },
    ]);
  });

  test('conditions are shown as they were written', () => {
    const { program } = profileLogic(configOf(first)).segments;
    for (const { segment } of program.roots) {
      const { when } = segments.find(({ id }) => id === segment.id) ?? {};
      const shown = `${toText(segment.when)} ${segmentInWords(segment)}`;
      expect(shown).not.toContain('category@');
      expect(shown.includes('category')).toBe(JSON.stringify(when).includes('category'));
      const again = { ...configOf(first), segments: [segmentToJson(segment)] };
      const [root] = profileLogic(again as unknown as PersonalisationConfig).segments.program.roots;
      expect(root?.segment.when).toEqual(segment.when);
    }
  });
});
