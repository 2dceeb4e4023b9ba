/** A topology whose worker dies in the middle of a batch: as often as the file DIE_FILE says. */
import { readFileSync, writeFileSync } from 'node:fs';
import { topic, topology, utf8 } from 'millrace';

const input = topic<string, string>('input', { value: utf8, partitions: 2 });
const file = process.env['DIE_FILE'] ?? '';
let seen = 0;

export default topology('dying', (t) => {
  t.stream(input)
    .peek(() => {
      seen++;
      const left = Number(readFileSync(file, 'utf8'));
      if (seen % 400 !== 0 || left === 0) return;
      writeFileSync(file, String(left - 1));
      process.exit(7);
    })
    .count('totals');
  return {};
});
