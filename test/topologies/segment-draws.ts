/** Random conditions of every kind. */
import { randomBelow, type SeededRandom } from '../../engine/base/random.ts';
import { classes, pick } from './segment-histories.ts';

const comparisons = ['eq', 'ne', 'lt', 'le', 'gt', 'ge'];
/** Draws a condition whose spans are multiples of `unit`, ms. */
export type Draw = (random: SeededRandom, unit: number) => Record<string, unknown>;

/** Half of them short, so that windows end and are lengthened between the events of a history. */
const length = (random: SeededRandom, unit: number) =>
  (1 + randomBelow(random, randomBelow(random, 2) === 0 ? 12 : 90)) * unit;
const some = (random: SeededRandom) =>
  randomBelow(random, 2) === 0 ? pick(random, classes) : [pick(random, classes), 'purchase'];
const where = (random: SeededRandom) => {
  const item = `${randomBelow(random, 3)}`;
  const tests = [
    {},
    {},
    { where: { item } },
    { where: { amount: { op: 'ge', value: 10 } } },
    { where: { 'traits.plan': { op: 'exists' }, item: { op: 'in', value: ['0', '1'] } } },
  ];
  return pick(random, tests);
};
const match = (random: SeededRandom) => ({ event: some(random), ...where(random) });
const op = (random: SeededRandom) => pick(random, comparisons);

export const count: Draw = (random, unit) => ({
  count: {
    ...match(random),
    op: op(random),
    n: randomBelow(random, 4),
    within: length(random, unit),
  },
});
const absent: Draw = (random, unit) => ({
  absent: {
    ...match(random),
    for: length(random, unit),
    knownSince: pick(random, ['firstSeen', 'any']),
  },
});
export const aggregate =
  (kind: string): Draw =>
  (random, unit) => ({
    [kind]: {
      ...match(random),
      path: 'amount',
      op: op(random),
      value: randomBelow(random, 80) - 10,
      within: length(random, unit),
    },
  });

const trait: Draw = (random) => {
  const [test, value] = pick<[string, unknown]>(random, [
    ['eq', 'gold'],
    ['ne', 'gold'],
    ['in', ['gold', 'silver']],
    ['contains', 'o'],
    ['startsWith', 's'],
    ['exists', undefined],
    ['ge', 'none'],
  ]);
  return { trait: { path: 'plan', op: test, ...(value === undefined ? {} : { value }) } };
};
const traitOfDates: Draw = (random, unit) => {
  const test = pick(random, ['before', 'after', 'withinLast', 'withinNext']);
  return { trait: { path: 'due', op: test, value: length(random, unit) } };
};
const consent: Draw = (random) => ({
  consent: { purpose: 'marketing', is: randomBelow(random, 2) === 0 },
});
const sequence: Draw = (random, unit) => ({
  sequence: {
    steps: Array.from({ length: 1 + randomBelow(random, 3) }, () => ({
      ...match(random),
      ...(randomBelow(random, 2) === 0 ? { bind: 'item' } : {}),
    })),
    within: length(random, unit),
    ...(randomBelow(random, 2) === 0 ? { maxGap: length(random, unit) } : {}),
    ...(randomBelow(random, 2) === 0 ? { notBetween: [match(random)] } : {}),
    for: length(random, unit),
    ties: pick(random, ['causal', 'strict']),
  },
});
const abandoned: Draw = (random, unit) => ({
  abandoned: {
    start: match(random),
    unless: match(random),
    key: pick(random, ['item', 'subject', 'amount']),
    after: length(random, unit),
    for: length(random, unit),
    ties: pick(random, ['causal', 'strict']),
  },
});
const kindsOfLeaves = [traitOfDates, consent, trait, sequence, abandoned, aggregate('sum')];
/** Mostly the two whose truth is lengthened by the next event; sometimes any other. */
export const leaf: Draw = (random, unit) =>
  pick(random, [count, absent, count, absent, count, pick(random, kindsOfLeaves)])(random, unit);

export const nodes: Readonly<Record<string, Draw>> = {
  count,
  'count ever': (random) => ({
    count: { ...match(random), op: op(random), n: randomBelow(random, 4), within: 'ever' },
  }),
  'count distinct': (random, unit) => ({
    count: {
      ...match(random),
      op: op(random),
      n: randomBelow(random, 3),
      within: length(random, unit),
      distinct: pick(random, ['item', 'amount', 'traits.plan']),
    },
  }),
  'count since': (random, unit) => ({
    count: {
      ...match(random),
      op: op(random),
      n: randomBelow(random, 3),
      within: length(random, unit),
      since: [some(random), { event: 'product_view', ...where(random) }],
    },
  }),
  sum: aggregate('sum'),
  avg: aggregate('avg'),
  min: aggregate('min'),
  max: aggregate('max'),
  absent,
  sequence,
  abandoned,
  trait,
  'trait of dates': traitOfDates,
  consent,
  bucket: (random) => {
    const from = randomBelow(random, 9_000);
    return {
      bucket: { salt: `${randomBelow(random, 9)}`, from, to: from + 1 + randomBelow(random, 999) },
    };
  },
  and: (random, unit) => ({ and: [leaf(random, unit), leaf(random, unit), leaf(random, unit)] }),
  or: (random, unit) => ({ or: [leaf(random, unit), leaf(random, unit)] }),
  not: (random, unit) => ({ not: leaf(random, unit) }),
  held: (random, unit) => ({ held: { expr: leaf(random, unit), for: length(random, unit) } }),
  latch: (random, unit) => ({
    latch: {
      enter: leaf(random, unit),
      exit: leaf(random, unit),
      initial: randomBelow(random, 2) === 0,
    },
  }),
  once: (random, unit) => ({ once: { expr: leaf(random, unit) } }),
  'once again': (random, unit) => ({
    once: { expr: leaf(random, unit), reentryAfter: length(random, unit) },
  }),
  nested: (random, unit) => ({
    held: {
      expr: {
        latch: {
          enter: { once: { expr: leaf(random, unit), reentryAfter: length(random, unit) } },
          exit: leaf(random, unit),
        },
      },
      for: length(random, unit),
    },
  }),
};
