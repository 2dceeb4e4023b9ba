/** Another graph in each thread. */
import { isMainThread } from 'node:worker_threads';
import { topic, topology, utf8 } from 'millrace';

const words = topic<string, string>('words', { value: utf8 });

export default topology('changing', (t) => {
  t.stream(words).count(isMainThread ? 'here' : 'there');
});
