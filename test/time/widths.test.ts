/** Some widths of the history on the embedded log; `npm run time-widths` runs all of them. */
import { expect, test } from 'vitest';
import { launch } from '../process/millrace.ts';

test('history in order loses nothing, at any width', async () => {
  const widths = ['1,0,1000', '4,1,65536', '16,2,50'];
  const { stdout, stderr } = await launch('test/time/run-widths.ts', widths).ended;
  expect([stdout, stderr]).toEqual([expect.stringContaining('0 of 3 widths differ'), '']);
});
