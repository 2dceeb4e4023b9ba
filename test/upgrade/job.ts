/** The job of the folders in test/upgrade/fixtures: small, and its results are known. */
import { json, topic, topology, utf8 } from 'millrace';

export const words = topic<string, string>('words', { value: utf8, partitions: 2 });
export const job = topology('upgrade', (t) => {
  t.stream(words)
    .count('totals')
    .to(topic('totals-out', { partitions: 2, value: json<number>() }));
  return {};
});
