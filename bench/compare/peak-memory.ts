/** The most resident memory that this process had. */
import { readFileSync } from 'node:fs';

/**
 * MiB. By Linux's VmHWM, as Kafka Streams' peer tells its own: what getrusage says of a process
 * that another started is at least what that one had.
 */
export function peakMemoryMiB(): number {
  let kib = process.resourceUsage().maxRSS;
  try {
    const told = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    if (told !== undefined) kib = Number(told);
  } catch {
    // Not Linux.
  }
  return Math.round(kib / 1_024);
}
