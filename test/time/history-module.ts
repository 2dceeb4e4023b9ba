/** All jobs of history-jobs.ts side by side, each with a topic of its own for what it tells. */
import { topic, topology, utf8 } from 'millrace';
import { historyJobs } from './history-jobs.ts';

export const orders = topic<string, string>('orders', { value: utf8 });
export const outs = Object.keys(historyJobs).map((_, i) =>
  topic<string, string>(`out-${i}`, { value: utf8, partitions: 1 }),
);

export default topology('history', (t) => {
  const read = t.stream(orders);
  Object.values(historyJobs).forEach(({ build }, i) => {
    const out = outs[i];
    if (out === undefined) return;
    const told = build(read, (name) => `job${i}-${name}`);
    told.keyBy(`job${i}-out`, () => 'all', { key: utf8, value: utf8 }).to(out);
  });
});
