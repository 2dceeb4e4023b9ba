/** User code that does not come back: HANG says how. */
import { json, topic, topology } from 'millrace';

const input = topic<string, object>('rows', { value: json(), partitions: 1 });

export default topology('hanging', (t) => {
  const stream = t.stream(input);
  if (process.env['HANG'] === 'loop') {
    stream
      .peek(() => {
        process.stderr.write('user code hangs\n');
        for (;;);
      })
      .count('n');
  } else {
    stream
      .asyncMap(
        async () => {
          process.stderr.write('user code hangs\n');
          await new Promise(() => {});
        },
        { timeoutMs: 600_000 },
      )
      .count('n');
  }
});
