import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { environment, execute, topicRecords } from 'millrace/engine';
import { connectorLaws } from 'millrace/laws';
import sqlite from 'node-sqlite3-wasm';
import { orders, totals } from './orders.js';
import { type Row, SqliteSource } from './sqlite-source.js';

let folder = '';
const path = () => join(folder, 'shop.sqlite');

/** Adds orders; every seventh has no time, so that it is refused. */
function addOrders(from: number, to: number): void {
  const db = new sqlite.Database(path());
  db.exec('CREATE TABLE IF NOT EXISTS orders (customer TEXT, amount INTEGER, at INTEGER)');
  for (let i = from; i < to; i++) {
    db.run('INSERT INTO orders VALUES (?, ?, ?)', [`c${i % 3}`, i, i % 7 === 6 ? null : i * 10]);
  }
  db.close();
}

function source(): SqliteSource<string, { readonly amount: number }> {
  return new SqliteSource({
    ...{ name: 'shop', path: path(), table: 'orders', topic: orders },
    record: ({ customer, amount, at }: Row) => {
      if (typeof at !== 'number') throw new Error('the order has no time');
      return { key: String(customer), value: { amount: Number(amount) }, timestamp: at };
    },
  });
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sqlite-source-'));
  addOrders(0, 30);
});
after(() => rm(folder, { recursive: true }));

for (const { name, check } of connectorLaws({ make: source })) test(name, check);

test('an application reads each row once, over restarts', async () => {
  const module = fileURLToPath(new URL('orders.js', import.meta.url));
  const run = async () => {
    const execution = await execute({
      env: environment(join(folder, 'data')),
      reference: { module },
      threads: 0,
      sources: [source()],
      answers: false,
    });
    try {
      const { sources } = await execution.runtime.runUntilCaughtUp();
      const found = new Map<string, number>();
      for await (const { key, value } of topicRecords(execution.log, totals)) found.set(key, value);
      return {
        refused: sources[0]?.deadLettered,
        orders: [...found.values()].reduce((sum, n) => sum + n, 0),
      };
    } finally {
      await execution.close();
    }
  };
  assert.deepEqual(await run(), { refused: 4, orders: 26 });
  addOrders(30, 42);
  assert.equal((await run()).orders, 36);
  assert.equal((await run()).orders, 36);
});
