/**
 * The greatest multiple of `step` that is not above `time`, neither of them negative. What `time -
 * (time % step)` says, several times as fast: V8 calls a function of C for the rest of two numbers
 * beyond 32 bits. The quotient of a time below a multiple is never rounded up to it: even the
 * nearest double is more than half of the quotient's last bit away.
 */
export function floorTo(time: number, step: number): number {
  return Math.floor(time / step) * step;
}
