/** Refuses the rows whose number the environment names. */
import { topic, topology } from 'millrace';

const rows = topic<string, { readonly n: number }>('rows');
const copies = topic<string, { readonly n: number }>('copies');
const refused = new Set((process.env['MILLRACE_TEST_REFUSES'] ?? '').split(' ').map(Number));

export default topology('refusing', (t) => {
  t.stream(rows)
    .map((row) => {
      if (refused.has(row.n)) throw new Error(`${row.n} is refused`);
      return row;
    })
    .to(copies);
});
