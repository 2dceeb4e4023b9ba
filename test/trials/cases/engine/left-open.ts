import { createServer } from 'node:net';
import { json, topic, topology } from 'millrace';

// What user code opens in passing, and never closes.
setInterval(() => {}, 60_000);
createServer().listen(0);

export default topology('left-open', (t) => ({
  n: t.stream(topic<string, { id: string }>('rows', { value: json() })).count('n'),
}));
