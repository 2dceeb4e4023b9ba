/** The catalogue of fields: others are not read, not written, and not let in. */
import { readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { expect, test } from 'vitest';
import { readMapping } from '../../topologies/app/mappings.ts';
import { Catalogue, draftOf } from '../../topologies/field-catalogue.ts';
import type { Mapping } from '../../topologies/ingest/mapping.ts';
import { emptyFolder, millrace } from '../process/millrace.ts';
import { post, startGateway } from './running.ts';

const folder = join(import.meta.dirname, '../../topologies/ingest/mappings');
const shipped = readdirSync(folder).map((file) => basename(file, '.json'));
const good = { type: 'text', class: 'behaviour', purpose: ['scoring'], retention: '400d' };

type Sources = Record<string, Record<string, unknown>>;

/** All that a mapping needs, declared. */
async function declaredBy(...names: readonly string[]): Promise<Sources> {
  const mappings = await Promise.all(names.map((name) => readMapping(name)));
  const draft = draftOf(mappings) as { sources: Sources };
  for (const fields of Object.values(draft.sources)) {
    for (const name of Object.keys(fields)) fields[name] = good;
  }
  return draft.sources;
}

test.each(shipped)('%s: each field that is not declared is named', async (name) => {
  const mapping = (await readMapping(name)) as Mapping;
  const sources = await declaredBy(name);
  expect(() => new Catalogue({ version: 1, sources }).checkMapping(mapping)).not.toThrow();
  for (const [source, fields] of Object.entries(sources)) {
    for (const field of Object.keys(fields)) {
      const { [field]: _, ...others } = fields;
      // Declared as a whole by a name above it.
      if (Object.keys(others).some((other) => field.startsWith(`${other}.`))) continue;
      const less = new Catalogue({ version: 1, sources: { ...sources, [source]: others } });
      expect(() => less.checkMapping(mapping), `${source} ${field}`).toThrow(field);
    }
  }
});

test.each([
  ['no sources', { version: 1 }, 'catalogue'],
  ['another version', { version: 2, sources: {} }, 'version'],
  ['an unknown member', { version: 1, sources: {}, fields: [] }, 'fields'],
  ['no purpose', { version: 1, sources: { a: { b: { ...good, purpose: [] } } } }, 'purpose'],
  ['no class', { version: 1, sources: { a: { b: { ...good, class: '' } } } }, 'class'],
  ['a type of its own', { version: 1, sources: { a: { b: { ...good, type: 'int' } } } }, 'type'],
  [
    'no retention',
    { version: 1, sources: { a: { b: { ...good, retention: 'long' } } } },
    'retention',
  ],
])('a catalogue with %s is refused with its path', (_, value, field) => {
  expect(() => new Catalogue(value)).toThrow(field);
});

test('segments read declared traits and numbers only', async () => {
  const sources = { events: { 'traits.plan': good, 'numbers.amount': good } };
  const catalogue = new Catalogue({ version: 1, sources });
  const segment = (when: object) => ({ segments: [{ id: 'a', version: 1, when }] });
  const sum = (path: string) => ({
    sum: { event: 'purchase', path, within: '30d', op: 'ge', value: 1 },
  });
  const trait = (path: string) => ({ trait: { path, op: 'eq', value: 'x' } });
  expect(() =>
    catalogue.checkConfiguration(segment({ all: [sum('amount'), trait('plan')] })),
  ).not.toThrow();
  expect(() => catalogue.checkConfiguration(segment({ not: trait('amount') }))).toThrow(
    'traits.amount',
  );
  expect(() => catalogue.checkConfiguration(segment({ any: [sum('weight')] }))).toThrow(
    'numbers.weight',
  );
});

test('a field is read where a constant would do, too; a delivery is known by its id at the door', async () => {
  const sources = await declaredBy('segment-spec');
  expect(Object.keys(sources['segment-spec'] ?? {})).toContain('messageId');
});

test.each([
  ['where', { count: { event: 'a', where: { weight: 1 }, op: 'ge', n: 1, within: '1d' } }],
  ['distinct', { count: { event: 'a', distinct: 'weight', op: 'ge', n: 1, within: '1d' } }],
  ['since', { count: { event: 'a', since: [{ event: 'b', where: { weight: 1 } }] } }],
  ['bind', { sequence: { steps: [{ event: 'a', bind: 'weight' }, { event: 'b' }] } }],
  ['key', { abandoned: { start: 'a', unless: 'b', key: 'weight', after: '1d', for: '1d' } }],
])('a segment reads by %s: declared, or refused', (_, when) => {
  const config = { segments: [{ id: 'a', version: 1, when: { and: [{ not: when }] } }] };
  const of = (...fields: readonly string[]) => {
    const declared = Object.fromEntries(fields.map((field) => [field, good]));
    return new Catalogue({ version: 1, sources: { events: declared } });
  };
  expect(() => of('item').checkConfiguration(config)).toThrow('numbers.weight or traits.weight');
  expect(() => of('numbers.weight').checkConfiguration(config)).not.toThrow();
});

test('what rules of categories read is declared; the default key of abandoned is the item', () => {
  const when = { count: { event: 'a', where: { category: 'x' }, op: 'ge', n: 1, within: '1d' } };
  const rules = [{ when: { link: { startsWith: '/x' }, class: 'a' }, category: 'x' }];
  const config = { categories: { version: 1, rules }, segments: [{ id: 'a', version: 1, when }] };
  const of = (field: string) =>
    new Catalogue({ version: 1, sources: { events: { [field]: good } } });
  expect(() => of('link').checkConfiguration(config)).not.toThrow();
  expect(() => of('item').checkConfiguration(config)).toThrow('link');
  const abandoned = { abandoned: { start: 'a', unless: 'b', after: '1d', for: '1d' } };
  const other = { segments: [{ id: 'a', version: 1, when: abandoned }] };
  expect(() => of('item').checkConfiguration(other)).not.toThrow();
  expect(() => of('link').checkConfiguration(other)).toThrow('item');
});

test('what is not declared is dropped at the door, counted, and in no dead letter', async () => {
  const file = join(await emptyFolder(), 'catalogue.json');
  const sources = await declaredBy('segment-spec', 'sample');
  await writeFile(file, JSON.stringify({ version: 1, sources }));
  const gateway = await startGateway({ catalogue: file });
  const url = `${gateway.url}/v1/batch`;
  const call = {
    type: 'track',
    event: 'Order Completed',
    userId: 'ann',
    timestamp: '2026-01-01T10:00:00Z',
    properties: { order_id: 'o1', total: 5, religion: 'canary', nested: { ssn: 'canary' } },
    context: { ip: '10.0.0.1', location: { city: 'canary' } },
    canary: 'canary',
  };
  const other = { ...call, canary: 'another' };
  const wrong = { ...call, timestamp: 'canary-free but wrong' };
  expect((await post(url, { batch: [call, other, wrong] })).status).toBe(200);
  const records = await gateway.records('events');
  // Two calls that differ in what is dropped alone are two events.
  expect(records.map(({ key }) => key)).toEqual(['ann', 'ann']);
  expect(new Set(records.map(({ value }) => value['id'])).size).toBe(2);
  const letters = await gateway.deadLetters();
  expect(letters).toHaveLength(1);
  expect(letters[0]?.value).toMatchObject({ properties: { order_id: 'o1', total: 5 } });
  expect(JSON.stringify([records.map(({ value }) => value), letters])).not.toMatch(
    /"canary"|religion|city/,
  );
  const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
  const counted = /^millrace_properties_undeclared_total\{source="segment-api"\} (\d+)$/m.exec(
    metrics,
  );
  expect(Number(counted?.[1])).toBeGreaterThanOrEqual(12);
  // A source that is not in the catalogue is refused.
  const answer = await post(`${gateway.url}/v1/events?mapping=shop`, { a: 1 });
  expect(answer.status).toBe(400);
  expect(await answer.text()).toContain('not in the catalogue');
});

test('a mapping that reads more does not start', async () => {
  const directory = await emptyFolder();
  const file = join(directory, 'catalogue.json');
  const sources = await declaredBy('sample');
  await writeFile(file, JSON.stringify({ version: 1, sources }));
  await expect(startGateway({ catalogue: file, mapping: 'sendgrid' })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    context: { field: 'catalogue.sources.sendgrid' },
  });
  const input = join(directory, 'rows.jsonl');
  await writeFile(input, '{"subject":"ann","class":"email_open","time":"2026-01-01T10:00:00Z"}\n');
  const data = ['--data', join(directory, 'data'), '--threads', '0', '--catalogue', file];
  const refused = await millrace('start', '--input', input, '--mapping', 'cdnow', ...data);
  expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('catalogue.sources')]);
  const manifest = ['--manifest', join(directory, 'manifest.json')];
  const loaded = await millrace(
    'load',
    ...manifest,
    '--input',
    input,
    '--mapping',
    'cdnow',
    ...data,
  );
  expect([loaded.code, loaded.stderr]).toEqual([2, expect.stringContaining('catalogue.sources')]);
  const [pulled, gateway] = [join(directory, 'sources.json'), join(directory, 'gateway.json')];
  const folder = { kind: 'folder', path: directory, mapping: 'cdnow' };
  await writeFile(pulled, JSON.stringify({ sources: { in: folder } }));
  await writeFile(gateway, JSON.stringify({ catalogue: file }));
  const files = ['--sources', pulled, '--gateway', gateway, '--data', join(directory, 'served')];
  const served = await millrace('serve', ...files, '--http', '0');
  expect([served.code, served.stderr]).toEqual([2, expect.stringContaining('catalogue.sources')]);
  const draft = await millrace('mapping', 'sample', '--fields');
  expect(JSON.parse(draft.stdout)).toMatchObject({
    version: 1,
    sources: { sample: {}, events: {} },
  });
});
