/**
 * The auction house of the NEXMark benchmark: people register, put things up for auction and bid.
 * The queries beside this file answer its questions q0 to q5, q7 and q8.
 */
import { topic } from 'millrace';

/** Times are ms UTC, prices whole cents. Each record's timestamp is its `at`. */
export interface Person {
  readonly id: string;
  readonly name: string;
  readonly city: string;
  readonly state: string;
  readonly at: number;
}

export interface Auction {
  readonly id: string;
  readonly seller: string;
  readonly category: number;
  readonly at: number;
  /** Bids count before this instant. */
  readonly expires: number;
}

export interface Bid {
  readonly auction: string;
  readonly bidder: string;
  readonly price: number;
  readonly at: number;
}

/** Keyed by the person's id. */
export const persons = topic<string, Person>('persons');
/** Keyed by the auction's id. */
export const auctions = topic<string, Auction>('auctions');
/** Keyed by the auction's id. */
export const bids = topic<string, Bid>('bids');
