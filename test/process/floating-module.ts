/** User code that starts what nobody waits for, and that fails for one record. */
import { json, topic, topology } from 'millrace';

const rows = topic<string, { n: number }>('rows', { value: json() });

const report = async (n: number) => {
  if (n === 3) throw new Error('telemetry is down');
};

export default topology('floating', (t) => {
  t.stream(rows)
    .peek(({ n }) => {
      void report(n);
    })
    .count('n');
});
