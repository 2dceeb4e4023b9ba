/**
 * The documents of the interfaces are valid, and say what is there: routes, topics, and their
 * records.
 */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { testDriver } from 'millrace/testing';
import { describe, expect, test } from 'vitest';
import { SeededRandom } from '../../engine/base/random.ts';
import { writtenTopics } from '../../engine/graph/sub-topology.ts';
import { describedTopics } from '../../topologies/asyncapi.ts';
import { type Event, events } from '../../topologies/event.ts';
import personalisation from '../../topologies/personalisation.ts';
import { randomHistory } from '../topologies/segment-histories.ts';
import { documents, written } from './documents.ts';

const docs = join(import.meta.dirname, '../../docs');
const day = 86_400_000;

test.each(Object.entries(documents))(
  'docs/%s is what the code makes; else: npm run api-documents',
  async (name, made) => {
    expect(await readFile(join(docs, name), 'utf8')).toBe(written(await made()));
  },
);

test('the OpenAPI document is valid, and every route has answers', async () => {
  const document = JSON.parse(await readFile(join(docs, 'openapi.json'), 'utf8'));
  const validator = new Validator();
  expect(await validator.validate(structuredClone(document))).toEqual({ valid: true });
  expect(validator.version).toBe('3.1');
  const routes = Object.entries(document.paths as Record<string, Record<string, object>>).flatMap(
    ([path, methods]) => Object.entries(methods).map(([method, what]) => ({ path, method, what })),
  );
  expect(routes.length).toBeGreaterThan(40);
  for (const { path, method, what } of routes) {
    expect([path, Object.keys(what)]).toEqual([path, expect.arrayContaining(['summary'])]);
    if (method === 'post')
      expect([path, what]).toEqual([
        path,
        expect.objectContaining({
          requestBody: expect.anything(),
          responses: expect.objectContaining({ 400: expect.anything() }),
        }),
      ]);
  }
});

test('the AsyncAPI document is valid', async () => {
  const document = JSON.parse(await readFile(join(docs, 'asyncapi.json'), 'utf8'));
  const schema = createRequire(import.meta.url)('@asyncapi/specs/schemas/3.0.0.json');
  const ajv = new Ajv({
    strict: false,
    meta: false,
    validateSchema: false,
    validateFormats: false,
  });
  const validate = ajv.compile(schema);
  expect(validate(document), JSON.stringify(validate.errors?.slice(0, 3))).toBe(true);
});

describe('the topics', () => {
  test('are those of the topology', () => {
    const topology = personalisation();
    const sources = topology.nodes.flatMap((node) =>
      node.type === 'source' ? [node.topic.name] : [],
    );
    const all = new Set([...sources, ...writtenTopics(topology).map(({ name }) => name)]);
    expect(describedTopics.map(({ topic }) => topic.name).sort()).toEqual([...all].sort());
  });

  test('hold records as they are described', async () => {
    const random = new SeededRandom(7);
    const driver = await testDriver(personalisation(), { partitions: 2 });
    const kinds = ['user', 'email', 'anonymous'] as const;
    for (let subject = 0; subject < 12; subject++) {
      for (const { event, at } of randomHistory(random, 3_600_000, day)) {
        const identities = kinds.map((kind, i) => ({ kind, id: `s${(subject + i) % 12}` }));
        const more = at % 7 === 0 ? { identities } : {};
        await driver.pipeAll(events, [
          { key: `s${subject}`, value: { ...event, ...more }, timestamp: at },
        ]);
      }
    }
    const full: Event = {
      id: 'full',
      class: 'email_click',
      link: 'https://a.example',
      evidence: { machine: true, ip: '10.0.0.1', agent: 'bot', links: 3 },
      traits: { plan: null, vip: true, __proto__: 'x' } as never,
      numbers: { amount: 5 },
      currency: 'EUR',
      purpose: 'marketing',
      until: day,
    };
    await driver.pipe(events, 's1', full, 2 * 365 * day);
    await driver.advanceTo(3 * 365 * day);
    await driver.pipe(events, 's1', { id: 'gone', class: 'subject_erased' }, 3 * 365 * day);
    await driver.pipe(events, 's2', { id: 'late', class: 'email_open' }, 1);
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    const counts: Record<string, number> = {};
    for (const { topic, schema } of describedTopics) {
      const validate = ajv.compile(schema);
      const records = await driver.read(topic as never);
      counts[topic.name] = records.length;
      for (const { value } of records) {
        if (value === null) continue;
        const told = JSON.stringify([topic.name, value, validate.errors]);
        expect(validate(value), told).toBe(true);
      }
    }
    for (const [name, count] of Object.entries(counts))
      expect([name, count > 0]).toEqual([name, true]);
    await driver.close();
  });
});
