/**
 * Words copied and counted; the topics are named by the environment, so that every fault has its
 * own.
 */
import { topic, topology, utf8 } from 'millrace';

const prefix = process.env['MILLRACE_TEST_JOB'] ?? 'fault';
const words = topic<string, string>(`${prefix}-words`, { value: utf8 });
const copies = topic<string, string>(`${prefix}-copies`, { value: utf8 });
const counts = topic<string, number>(`${prefix}-counts`);

export default topology('fault', (t) => {
  const heard = t.stream(words);
  heard.to(copies);
  heard
    .keyBy('by-word', (word) => word.slice(0, 20))
    .count('words')
    .to(counts);
});
