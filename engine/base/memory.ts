/** The memory of the process, and the share of it for state. */
import { totalmem } from 'node:os';
import { setFlagsFromString } from 'node:v8';

const mebibyte = 1024 * 1024;
/** Minimum for a run, bytes. */
export const leastMemoryBytes: number = 16 * mebibyte;
/** Approximate memory of Node, its threads and their code, bytes. */
const nodeBytes = 200 * mebibyte;
/**
 * Share of the remaining memory for state; the rest is for the heap of user code, batches in
 * progress and system buffers.
 */
const shareOfMemory = 0.3;

/**
 * Memory available to the process: the limit of its container, else the machine's memory, bytes.
 */
export function availableMemory(): number {
  const limit = process.constrainedMemory();
  const machine = totalmem();
  return limit > 0 && limit < machine ? limit : machine;
}

/** The default budget, bytes. */
export function defaultMemoryBytes(): number {
  return Math.max(leastMemoryBytes, Math.floor((availableMemory() - nodeBytes) * shareOfMemory));
}

/** Below this, heaps are kept small at the cost of time, bytes. */
const shortBytes = 256 * mebibyte;

/**
 * If memory is short, lets V8 collect old objects when they have grown by a quarter instead of
 * several times, in every thread that starts from now on. Call once, before threads start.
 */
export function keepHeapsSmall(memoryBytes: number): void {
  if (memoryBytes < shortBytes) setFlagsFromString('--heap-growing-percent=25');
}

/** Parses '512M' or '2G' to bytes, in units of 1024; undefined for anything else. */
export function bytesOf(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([MG])(?:i?B)?$/i.exec(text.trim());
  if (match === null) return undefined;
  const [, number = '', unit = ''] = match;
  return Math.floor(Number(number) * mebibyte * (unit.toUpperCase() === 'G' ? 1024 : 1));
}
