/** Rows as they are, copied and counted by their key. */
import { topic, topology } from 'millrace';

const rows = topic<string, { readonly word: string }>('rows');
const copies = topic<string, { readonly word: string }>('copies');

export default topology('rows', (t) => {
  const read = t.stream(rows);
  read.to(copies);
  read.count('totals');
});
