/**
 * The greatest multiple of `step` that is not above `time`; neither may be negative. It equals
 * `time - (time % step)` but is several times as fast, because V8 calls a C function for the
 * remainder of numbers beyond 32 bits. The quotient of a time below a multiple is never rounded up
 * to the multiple: even the nearest double is more than half of the quotient's last bit away.
 */
export function floorTo(time: number, step: number): number {
  return Math.floor(time / step) * step;
}
