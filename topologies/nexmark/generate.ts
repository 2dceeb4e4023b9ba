/**
 * Events of the auction house, determined by a seed: of fifty, one registers, three open an
 * auction, and the others bid.
 */
import type { Auction, Bid, Person } from './auction-house.ts';

export interface Events {
  readonly persons: readonly Person[];
  readonly auctions: readonly Auction[];
  readonly bids: readonly Bid[];
}

const states = ['OR', 'ID', 'CA', 'WA', 'AZ', 'WY'] as const;
const cities = ['Portland', 'Boise', 'Phoenix', 'Kent', 'Cheyenne'] as const;
const names = ['Ann', 'Ben', 'Cai', 'Dee', 'Eli', 'Fay', 'Gus', 'Hal'] as const;

/** The smallest ids; the first auction is 1000. */
const firstId = 1_000;

/** @param seed a whole number @param count of events @param stepMs between two of them */
export function generate(seed: number, count: number, stepMs: number): Events {
  const below = dice(seed);
  const pick = <T>(from: readonly T[]): T => from[below(from.length)] as T;
  const [persons, auctions, bids]: [Person[], Auction[], Bid[]] = [[], [], []];
  for (let i = 0; i < count; i++) {
    const at = i * stepMs;
    if (i % 50 === 0) {
      const id = String(firstId + persons.length);
      persons.push({ id, name: pick(names), city: pick(cities), state: pick(states), at });
    } else if (i % 50 < 4) {
      const id = String(firstId + auctions.length);
      const { id: seller } = persons[
        persons.length - 1 - below(Math.min(5, persons.length))
      ] as Person;
      const expires = at + (1 + below(40)) * 25 * stepMs;
      auctions.push({ id, seller, category: 8 + below(5), at, expires });
    } else {
      const { id: auction } = auctions[
        auctions.length - 1 - below(Math.min(20, auctions.length))
      ] as Auction;
      bids.push({ auction, bidder: pick(persons).id, price: 100 + below(1_000_000), at });
    }
  }
  return { persons, auctions, bids };
}

/** Whole numbers below a bound: a linear congruential generator, whose upper bits are used. */
function dice(seed: number): (bound: number) => number {
  let state = seed >>> 0;
  return (bound) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * bound);
  };
}
