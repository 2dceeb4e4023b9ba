/** How wide the topics between two steps are. */
import { joinWindow, topic, topology, utf8 } from 'millrace';
import { expect, test } from 'vitest';
import { plan } from '../../engine/runtime/start-plan.ts';

const wide = topic<string, string>('wide', { value: utf8, partitions: 6 });
const open = topic<string, string>('open', { value: utf8 });
const side = topic<string, string>('side', { value: utf8, partitions: 2 });
const first = (word: string) => word.slice(0, 1);

const chain = topology('chain', (t) => {
  t.stream(wide)
    .keyBy('by-word', (word) => word)
    .keyBy('by-letter', first)
    .count('letters');
  t.stream(open)
    .keyBy('by-open', (word) => word)
    .count('open-words');
});

function widths(topologyOf: typeof chain, partitions?: number, existing: string[] = []) {
  const { partitionsOf } = plan({
    application: 'a',
    topology: topologyOf,
    partitions,
    existing: existing.map((name) => ({ name, partitions: 5, settings: {} })),
    written: [],
  });
  return (step: string) => partitionsOf[`a-${step}-repartition`];
}

test('as many as the widest input before, through several steps', () => {
  const of = widths(chain);
  expect([of('by-word'), of('by-letter'), of('by-open')]).toEqual([6, 6, 4]);
});

test('what is asked for goes before', () => {
  const of = widths(chain, 3);
  expect([of('by-word'), of('by-letter'), of('by-open')]).toEqual([3, 3, 3]);
});

test('an input that is there already counts as it is', () => {
  expect(widths(chain, undefined, ['open'])('by-open')).toBe(5);
});

test('in a join it is the other side that decides', () => {
  const joined = topology('joined', (t) => {
    const words = t.stream(wide).keyBy('by-word', (word) => word);
    words.join(
      'both',
      t.stream(side),
      joinWindow({ before: 1, after: 1, grace: 0 }),
      (a, b) => a + b,
    );
  });
  expect(widths(joined)('by-word')).toBe(2);
});
