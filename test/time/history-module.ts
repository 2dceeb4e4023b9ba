/** All jobs of history-jobs.ts side by side, each with a topic of its own for what it tells. */
import { topic, topology, utf8 } from 'millrace';
import { historyJobs } from './history-jobs.ts';

/** @param prefix of the names, where several applications share a log */
export function historyTopics(prefix = '') {
  return {
    orders: topic<string, string>(`${prefix}orders`, { value: utf8 }),
    outs: Object.keys(historyJobs).map((_, i) =>
      topic<string, string>(`${prefix}out-${i}`, { value: utf8, partitions: 1 }),
    ),
  };
}

export function historyTopology(prefix = '') {
  const { orders, outs } = historyTopics(prefix);
  return topology(`${prefix}history`, (t) => {
    const read = t.stream(orders);
    Object.values(historyJobs).forEach(({ build }, i) => {
      const out = outs[i];
      if (out === undefined) return;
      const told = build(read, (name) => `job${i}-${name}`);
      told.keyBy(`job${i}-out`, () => 'all', { key: utf8, value: utf8 }).to(out);
    });
  });
}

export default historyTopology();
