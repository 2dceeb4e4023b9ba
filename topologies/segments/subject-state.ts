/** What is kept of one subject for the segments. */
import { type History, noHistory } from './history.ts';
import type { Membership } from './membership.ts';

export interface SubjectSegments {
  history: History;
  /**
   * By key of a leaf: its truth before the first flip (1 or 0), then the flips (ms UTC). A leaf
   * that is as without any event has no entry.
   */
  truths: Record<string, number[]>;
  memory: Record<string, number | null>;
  members: Map<string, Membership>;
  /** By segment: the instant at which it changes although no leaf does, ms UTC. */
  wakes: Map<string, number>;
  /** Everything up to this instant is decided, ms UTC; -Infinity before the first event. */
  decided: number;
  /** Fingerprint of the definitions by which it was decided. */
  program: string;
}

export function noSegments(): SubjectSegments {
  return {
    history: noHistory(),
    truths: {},
    memory: {},
    members: new Map(),
    wakes: new Map(),
    decided: Number.NEGATIVE_INFINITY,
    program: '',
  };
}
