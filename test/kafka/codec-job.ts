/**
 * Reads by every path there is: a source, a repartition topic, a changelog that is restored, a
 * global table.
 */
import { topic, topology, utf8 } from 'millrace';

const prefix = process.env['MILLRACE_TEST_JOB'] ?? 'codec';
const words = topic<string, string>(`${prefix}-words`, { value: utf8 });
const names = topic<string, string>(`${prefix}-names`, { value: utf8, partitions: 1 });
const counts = topic<string, string>(`${prefix}-counts`, { value: utf8 });

export default topology('codec', (t) => {
  const named = t.globalTable(names);
  t.stream(words)
    .keyBy('by-word', (word) => word, { key: utf8 })
    .count('words')
    .changes()
    .joinGlobal(
      named,
      (_, word) => word,
      (n, name) => `${name} ${n}`,
    )
    .to(counts);
});
