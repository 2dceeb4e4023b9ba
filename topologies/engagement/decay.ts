/**
 * Decay by half-life in integers: D[k] = floor(2^20 * 2^(-k/h) + 1/2) for k hours, 0 <= k < 8h, and
 * 0 after that. With integers the sum does not depend on the order, and SQL computes the same.
 */
const tables = new Map<number, readonly number[]>();

export const decayUnit = 2 ** 20;

export function decayTable(halfLifeHours: number): readonly number[] {
  let table = tables.get(halfLifeHours);
  if (table === undefined) {
    table = Array.from({ length: 8 * halfLifeHours }, (_, k) =>
      Math.floor(decayUnit * 2 ** (-k / halfLifeHours) + 0.5),
    );
    tables.set(halfLifeHours, table);
  }
  return table;
}
