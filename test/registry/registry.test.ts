/** Serdes in the wire format against a real registry, and `schema check` before a deployment. */
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import avsc from 'avsc';
import { topic, topology } from 'millrace';
import { avro, jsonOfSchema, protobuf, schemaRegistry } from 'millrace/schemas';
import { testDriver } from 'millrace/testing';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { decodeAll } from '../../engine/serde/serde.ts';
import { emptyFolder, millrace } from '../process/millrace.ts';
import { type RunningRegistry, registryAvailable, startRegistry } from './apicurio.ts';

interface Order {
  readonly id: string;
  readonly cents: number;
}

const fields = [
  { name: 'id', type: 'string' },
  { name: 'cents', type: 'long' },
];
const order = { type: 'record', name: 'Order', fields };
const newer = {
  ...order,
  fields: [...fields, { name: 'note', type: ['null', 'string'], default: null }],
};
const value: Order = { id: 'a', cents: 5 };

describe.skipIf(!(await registryAvailable()))('a schema registry', () => {
  let running: RunningRegistry;
  beforeAll(async () => {
    running = await startRegistry();
  }, 400_000);
  afterAll(() => running?.stop());

  const registry = () => schemaRegistry({ url: running.url });

  test('values carry the number of their schema, which others find in the registry', async () => {
    const bytes = avro<Order>({ schema: order, registry: registry(), subject: 'w-value' }).encode(
      value,
    );
    expect(bytes[0]).toBe(0);
    const id = Buffer.from(bytes).readUInt32BE(1);
    const answer = await fetch(`${running.url}/schemas/ids/${id}`);
    const { schema } = (await answer.json()) as { schema: string };
    const type = avsc.Type.forSchema(JSON.parse(schema));
    expect({ ...type.fromBuffer(Buffer.from(bytes).subarray(5)) }).toEqual(value);
    // And the other way: what another client has written and registered.
    const post = await fetch(`${running.url}/subjects/w-value/versions`, {
      method: 'POST',
      headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
      body: JSON.stringify({ schema: JSON.stringify(newer) }),
    });
    const { id: other } = (await post.json()) as { id: number };
    expect(other).not.toBe(id);
    const head = Buffer.alloc(5);
    head.writeUInt32BE(other, 1);
    const written = avsc.Type.forSchema(newer as never).toBuffer({ ...value, note: 'x' });
    const old = avro<Order>({ schema: order, registry: registry(), subject: 'w-value' });
    expect({ ...decodeAll(old, Buffer.concat([head, written])) }).toEqual(value);
    const later = avro<Order>({ schema: newer, registry: registry(), subject: 'w-value' });
    expect({ ...decodeAll(later, bytes) }).toEqual({ ...value, note: null });
  });

  test('keys and values of a topology, of every format', async () => {
    const wire = (subject: string) => ({ registry: registry(), subject });
    const jsonSchema = {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object',
      properties: { id: { type: 'string' }, cents: { type: 'integer' } },
      required: ['id'],
    };
    const proto =
      'syntax = "proto3"; package shop; message Other { message Inner { int32 a = 1; } } message Order { string id = 1; int32 cents = 2; }';
    const formats = {
      avro: avro<Order>({ schema: order, ...wire('orders-value') }),
      json: jsonOfSchema<Order>({ schema: jsonSchema, ...wire('json-value') }),
      proto: protobuf<Order>({ schema: proto, message: 'shop.Order', ...wire('proto-value') }),
    };
    for (const [name, serde] of Object.entries(formats)) {
      const key = avro<string>({ schema: '"string"', ...wire(`${name}-key`) });
      const orders = topic<string, Order>(`${name}-orders`, { key, value: serde });
      const copies = topic<string, Order>(`${name}-copies`, { key, value: serde });
      const driver = await testDriver(
        topology(name, (t) => {
          t.stream(orders)
            .filter(({ cents }) => cents > 1)
            .to(copies);
        }),
      );
      await driver.pipe(orders, 'k', value, 1);
      await driver.pipe(orders, 'k', { ...value, cents: 1 }, 2);
      const [copy, ...more] = await driver.read(copies);
      expect([name, copy?.key, { ...copy?.value }, more]).toEqual([name, 'k', value, []]);
      await driver.close();
    }
  });

  test('a number that nobody registered is a bad record; a schema that is not there is said', () => {
    const known = avro<Order>({ schema: order, registry: registry(), subject: 'x-value' });
    const bytes = Buffer.from(known.encode(value));
    bytes.writeUInt32BE(999_999, 1);
    expect(() => decodeAll(known, bytes)).toThrow(/knows no schema 999999/);
    expect(() => decodeAll(known, Buffer.from('{}'))).toThrow(/wire format/);
    const json = jsonOfSchema<Order>({ schema: {}, registry: registry(), subject: 'y-value' });
    expect(() => decodeAll(json, known.encode(value))).toThrow(/is of AVRO/);
    const strict = { schema: order, registry: registry(), subject: 'none-value', register: false };
    expect(() => avro<Order>(strict).encode(value)).toThrow(/not registered/);
  });

  test('schema check refuses what breaks, and passes the rest', async () => {
    const folder = await emptyFolder();
    avro<Order>({ schema: order, registry: registry(), subject: 'checked-value' }).encode(value);
    const check = async (schema: object, ...more: readonly string[]) => {
      const file = join(folder, 'order.avsc');
      await writeFile(file, JSON.stringify(schema));
      const from = ['--registry', running.url, '--subject', 'checked-value'];
      const { code, stdout, stderr } = await millrace('schema', 'check', file, ...from, ...more);
      return { code, text: stdout + stderr };
    };
    expect(await check(newer)).toMatchObject({ code: 0 });
    expect(await check(newer, '--level', 'full')).toMatchObject({ code: 0 });
    const broken = { ...order, fields: [...fields, { name: 'note', type: 'string' }] };
    const refused = await check(broken);
    expect(refused.code).toBe(2);
    expect(refused.text).toMatch(/backward.*note/s);
    expect(await check(broken, '--level', 'forward')).toMatchObject({ code: 0 });
    expect(await check({ type: 'nonsense' })).toMatchObject({ code: 2 });
    // With a default first, then without: each reads the one before, the third not the first.
    avro<Order>({ schema: newer, registry: registry(), subject: 'checked-value' }).encode(value);
    const bare = { ...order, fields: [...fields, { name: 'note', type: ['null', 'string'] }] };
    expect(await check(bare)).toMatchObject({ code: 0 });
    const all = await check(bare, '--level', 'backward-transitive');
    expect(all.code).toBe(2);
    expect(all.text).toMatch(/version 1: backward.*note/s);
    expect(all.text).not.toContain('version 2:');
    expect(await check(newer, '--level', 'full-transitive')).toMatchObject({ code: 0 });
    expect(await check(newer, '--subject', 'new-value')).toMatchObject({
      code: 0,
      text: expect.stringContaining('there is no schema yet'),
    });
  });
});

test('while the registry is away no record is to blame: the run ends', async () => {
  const server = createServer((_, response) => response.writeHead(503).end());
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  // The server must not be in this thread, which waits: nothing listens there then.
  await new Promise((done) => server.close(done));
  const registry = schemaRegistry({ url: `http://127.0.0.1:${port}`, timeoutMs: 2_000 });
  const orders = topic<string, Order>('orders', {
    value: avro<Order>({ schema: order, registry, subject: 'orders-value' }),
  });
  const driver = await testDriver(
    topology('away', (t) => {
      t.stream(orders).to(topic<string, Order>('copies'));
    }),
  );
  onTestFinished(() => driver.close().catch(() => {}));
  const bytes = Buffer.from([0, 0, 0, 0, 1, 2, 97, 10]);
  await expect(
    driver.pipeBytes(orders as never, [{ key: null, value: bytes, timestamp: 1 }]),
  ).rejects.toMatchObject({ code: 'SCHEMA_REGISTRY' });
});

test.each(['ftp://x', 'registry:8081', ''])('an address such as %j is refused', (url) => {
  expect(() => schemaRegistry({ url })).toThrow(/schemaRegistry.url/);
});
