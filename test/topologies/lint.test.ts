/** What `segment lint` says of words that are not known. */

import { expect, test } from 'vitest';
import {
  lintPersonalisation,
  type PersonalisationConfig,
  warnPersonalisation,
} from '../../topologies/personalisation.ts';
import { defaultSegments } from '../../topologies/segments/examples.ts';
import { nearest } from '../../topologies/segments/nearest.ts';

function configOf(when: object): PersonalisationConfig {
  return { segments: [{ id: 's', version: 1, when }] } as unknown as PersonalisationConfig;
}

const count = (op: string, event: unknown = 'purchase') => ({
  count: { event, op, n: 1, within: '30d' },
});

test.each([
  ['>=', 'ge'],
  ['gte', 'ge'],
  ['=>', 'ge'],
  ['≥', 'ge'],
  ['>', 'gt'],
  ['<=', 'le'],
  ['lte', 'le'],
  ['<', 'lt'],
  ['=', 'eq'],
  ['==', 'eq'],
  ['equals', 'eq'],
  ['!=', 'ne'],
  ['<>', 'ne'],
  ['GE', 'ge'],
])('lint: the operator %s is meant as %s', (written, meant) => {
  for (const when of [count(written), { score: { op: written, value: 1 } }]) {
    const [mistake] = lintPersonalisation(configOf(when));
    expect(mistake?.problem).toContain(`did you mean ${meant}?`);
  }
});

test.each(['~', '%', 'xyz', '??'])('lint: for %s nothing is suggested', (written) => {
  const [mistake] = lintPersonalisation(configOf(count(written)));
  expect(mistake?.problem).not.toContain('did you mean');
});

test('lint: a word is near to one with few slips, not to any short one', () => {
  const kinds = ['and', 'or', 'not', 'count', 'held'];
  expect(nearest('cuont', kinds)).toBe('count');
  expect(nearest('nto', ['and', 'or', 'no'])).toBe('no');
  expect(nearest('xx', ['eq', 'ne', 'or'])).toBeUndefined();
});

test('lint: classes that nothing else knows are warned of, wherever they stand', () => {
  const when = {
    and: [
      count('ge', ['purchase', 'purchas']),
      { not: { absent: { event: 'email_opn', for: '3d' } } },
      { held: { expr: count('ge', 'newsletter_read'), for: '1d' } },
      { abandoned: { start: 'add_to_cart', unless: 'constructor', after: '1d', for: '1d' } },
    ],
  };
  expect(lintPersonalisation(configOf(when))).toEqual([]);
  expect(warnPersonalisation(configOf(when)).map(({ path, problem }) => [path, problem])).toEqual([
    ['segment s', expect.stringContaining('"purchas"; did you mean purchase?')],
    ['segment s', expect.stringContaining('"email_opn"; did you mean email_open?')],
    ['segment s', expect.stringContaining('"newsletter_read"; the mapping must make it')],
    ['segment s', expect.stringContaining('"constructor"; the mapping must make it')],
  ]);
});

test('lint: the shipped segments, and classes that are configured, need no warning', () => {
  expect(warnPersonalisation({ segments: defaultSegments })).toEqual([]);
  const scored = {
    ...configOf(count('ge', 'newsletter_read')),
    engagement: { classes: { newsletter_read: { channel: 'email', weight: 1, perHour: 1 } } },
  };
  expect(warnPersonalisation(scored)).toEqual([]);
});
