/** The NEXMark queries against the same questions asked of all events at once. */
import type { Topology } from 'millrace';
import { type TestDriver, testDriver } from 'millrace/testing';
import { afterEach, describe, expect, test } from 'vitest';
import {
  type Auction,
  auctions,
  type Bid,
  bids,
  persons,
} from '../../topologies/nexmark/auction-house.ts';
import { type Events, generate } from '../../topologies/nexmark/generate.ts';
import q0, { passed } from '../../topologies/nexmark/q0.ts';
import q1, { inEuros } from '../../topologies/nexmark/q1.ts';
import q2, { offers } from '../../topologies/nexmark/q2.ts';
import q3 from '../../topologies/nexmark/q3.ts';
import q4 from '../../topologies/nexmark/q4.ts';
import q5 from '../../topologies/nexmark/q5.ts';
import q7 from '../../topologies/nexmark/q7.ts';
import q8, { newSellers } from '../../topologies/nexmark/q8.ts';

const stepMs = 40;
const chunkMs = 20_000;
const open: TestDriver[] = [];
afterEach(async () => {
  for (const driver of open.splice(0)) await driver.close();
});

/** Feeds all events in pieces, as they would come in time, then lets time pass. */
async function run(topology: Topology, events: Events): Promise<TestDriver> {
  const driver = await testDriver(topology, { partitions: 3, recordsPerCycle: 64 });
  open.push(driver);
  const reads = new Set(topology.nodes.flatMap((n) => (n.type === 'source' ? [n.topic.name] : [])));
  const last = Math.max(...events.bids.map(({ at }) => at));
  for (let from = 0; from <= last; from += chunkMs) {
    const now = <T extends { readonly at: number }>(all: readonly T[]) =>
      all.filter(({ at }) => at >= from && at < from + chunkMs);
    const records = <T extends { readonly at: number }>(
      all: readonly T[],
      keyOf: (row: T) => string,
    ) => now(all).map((value) => ({ key: keyOf(value), value, timestamp: value.at }));
    if (reads.has('persons'))
      await driver.pipeAll(
        persons,
        records(events.persons, (p) => p.id),
      );
    if (reads.has('auctions'))
      await driver.pipeAll(
        auctions,
        records(events.auctions, (a) => a.id),
      );
    if (reads.has('bids'))
      await driver.pipeAll(
        bids,
        records(events.bids, (b) => b.auction),
      );
  }
  await driver.advanceTo(last + 600_000);
  return driver;
}

const byText = <T>(values: readonly T[]) => values.map((value) => JSON.stringify(value)).sort();

async function tableOf(driver: TestDriver, store: string) {
  return Object.fromEntries((await driver.rows({ store })).map(({ key, value }) => [key, value]));
}

describe.each([1, 7])('seed %i', (seed) => {
  const events = generate(seed, 6_500, stepMs);

  test('the generator makes something of everything', () => {
    expect(events.persons.length).toBe(130);
    expect(events.auctions.length).toBe(390);
    expect(events.bids.length).toBe(5_980);
    expect(generate(seed, 6_500, stepMs)).toEqual(events);
  });

  test('q0: every bid', async () => {
    const driver = await run(q0, events);
    const got = (await driver.read(passed)).map(({ value }) => value);
    expect(byText(got)).toEqual(byText(events.bids));
  });

  test('q1: in euros', async () => {
    const driver = await run(q1, events);
    const got = (await driver.read(inEuros)).map(({ value }) => value);
    expect(byText(got)).toEqual(
      byText(events.bids.map((bid) => ({ ...bid, price: bid.price * 0.908 }))),
    );
  });

  test('q2: certain auctions', async () => {
    const driver = await run(q2, events);
    const got = (await driver.read(offers)).map(({ value }) => value);
    const wanted = events.bids
      .filter(({ auction }) => ['1107', '1230', '1353'].includes(auction))
      .map(({ auction, price }) => ({ auction, price }));
    expect(wanted.length).toBeGreaterThan(0);
    expect(byText(got)).toEqual(byText(wanted));
  });

  test('q3: sellers nearby', async () => {
    const driver = await run(q3, events);
    const wanted: Record<string, unknown> = {};
    for (const { id, seller, category } of events.auctions) {
      const person = events.persons.find((p) => p.id === seller);
      if (category !== 10 || person === undefined) continue;
      const { name, city, state } = person;
      if (['OR', 'ID', 'CA'].includes(state)) wanted[id] = { name, city, state };
    }
    expect(Object.keys(wanted).length).toBeGreaterThan(10);
    expect(await tableOf(driver, q3.exports.sellers.store)).toEqual(wanted);
  });

  test('q4: average of the winning bids', async () => {
    const driver = await run(q4, events);
    const best = new Map<Auction, number>();
    const byId = new Map(events.auctions.map((auction) => [auction.id, auction]));
    for (const { auction: id, price, at } of events.bids) {
      const auction = byId.get(id) as Auction;
      if (at < auction.at || at >= auction.expires) continue;
      best.set(auction, Math.max(best.get(auction) ?? 0, price));
    }
    const wanted: Record<string, { total: number; count: number }> = {};
    for (const [{ category }, price] of best) {
      const { total, count } = wanted[category] ?? { total: 0, count: 0 };
      wanted[category] = { total: total + price, count: count + 1 };
    }
    expect(Object.keys(wanted)).toHaveLength(5);
    expect(await tableOf(driver, q4.exports.averages.store)).toEqual(wanted);
  });

  test('q5: the hottest auctions', async () => {
    const driver = await run(q5, events);
    const counts = new Map<number, Map<string, number>>();
    for (const { auction, at } of events.bids) {
      const last = Math.floor(at / 2_000) * 2_000;
      for (let start = Math.max(0, last - 8_000); start <= last; start += 2_000) {
        const window = counts.get(start) ?? new Map<string, number>();
        counts.set(start, window.set(auction, (window.get(auction) ?? 0) + 1));
      }
    }
    const wanted: Record<string, unknown> = {};
    for (const [start, window] of counts) {
      const most = Math.max(...window.values());
      const hot = [...window].filter(([, n]) => n === most).map(([auction]) => auction);
      wanted[start] = { bids: most, auctions: hot.sort() };
    }
    expect(await tableOf(driver, q5.exports.hottest.store)).toEqual(wanted);
  });

  test('q7: the highest bid of every ten seconds', async () => {
    const driver = await run(q7, events);
    const wanted: Record<string, Bid> = {};
    for (const bid of events.bids) {
      const start = Math.floor(bid.at / 10_000) * 10_000;
      const best = wanted[start];
      const beats =
        best === undefined ||
        bid.price > best.price ||
        (bid.price === best.price && bid.auction < best.auction);
      if (beats) wanted[start] = bid;
    }
    expect(await tableOf(driver, q7.exports.highest.store)).toEqual(wanted);
  });

  test('q8: new sellers', async () => {
    const driver = await run(q8, events);
    const got = (await driver.read(newSellers)).map(({ key, value }) => {
      return { id: key?.key, start: key?.start, ...value };
    });
    const windowOf = (at: number) => Math.floor(at / 10_000) * 10_000;
    const wanted = events.persons.flatMap(({ id, name, at }) => {
      const own = events.auctions.filter((a) => a.seller === id && windowOf(a.at) === windowOf(at));
      return own.length === 0 ? [] : [{ id, start: windowOf(at), name, auctions: own.length }];
    });
    expect(wanted.length).toBeGreaterThan(10);
    expect(byText(got)).toEqual(byText(wanted));
  });
});
