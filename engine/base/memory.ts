/** How much memory the process has, and how much of it Millrace gives to state. */
import { totalmem } from 'node:os';
import { setFlagsFromString } from 'node:v8';

const mebibyte = 1024 * 1024;
/** The least that a run can do with, bytes. */
export const leastMemoryBytes: number = 16 * mebibyte;
/** Node itself, its threads and the code that they load take about so much. */
const nodeBytes = 200 * mebibyte;
/**
 * Of what is left; the rest is for the heap of user code, batches under way, buffers of the system.
 */
const shareOfMemory = 0.3;

/** What the process may use: the limit of its container, else the machine's memory, bytes. */
export function availableMemory(): number {
  const limit = process.constrainedMemory();
  const machine = totalmem();
  return limit > 0 && limit < machine ? limit : machine;
}

/** The budget where nobody says one, bytes. */
export function defaultMemoryBytes(): number {
  return Math.max(leastMemoryBytes, Math.floor((availableMemory() - nodeBytes) * shareOfMemory));
}

/** Below it heaps are kept small at the cost of time, bytes. */
const shortBytes = 256 * mebibyte;

/**
 * Where memory is short V8 collects old objects when they have grown by a quarter, not by several
 * times; in every thread that starts from now on. Called once, before there are threads.
 */
export function keepHeapsSmall(memoryBytes: number): void {
  if (memoryBytes < shortBytes) setFlagsFromString('--heap-growing-percent=25');
}

/** '512M' or '2G' as bytes; M and G are of 1024. Undefined of anything else. */
export function bytesOf(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([MG])(?:i?B)?$/i.exec(text.trim());
  if (match === null) return undefined;
  const [, number = '', unit = ''] = match;
  return Math.floor(Number(number) * mebibyte * (unit.toUpperCase() === 'G' ? 1024 : 1));
}
