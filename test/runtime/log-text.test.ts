/** Log lines for people. */
import { expect, test } from 'vitest';
import { logText } from '../../engine/runtime/log-text.ts';
import { Names } from '../../engine/runtime/work-metrics.ts';

test('a line for people: time, level, what happened, values', () => {
  const event = { task: '0_1', restoreMs: 12.3456, problem: 'no "disk" left', none: undefined };
  const line = logText(0, 'warn', 'task opened', event, false);
  expect(line).toMatch(/^\d\d:\d\d:\d\d\.000 WARN {2}task opened {2}task=0_1 restoreMs=12.3 ms /);
  expect(line).toContain('problem="no \\"disk\\" left"\n');
  expect(line).not.toContain('none');
});

test('a value cannot write a line or a colour of its own', () => {
  const evil = 'a\n12:00:00.000 INFO  all is well\u001b[2J\u009b';
  const line = logText(0, 'error', 'x', { evil, list: [evil] }, true);
  expect(line.split('\n')).toHaveLength(2);
  expect(line).not.toContain('\u001b[2J');
  expect(line).not.toContain('\u009b');
});

test('labels are bounded: names beyond the first are counted together', () => {
  const names = new Names();
  const told = new Set(Array.from({ length: 1_000 }, (_, i) => names.of(`t${i}`)));
  expect(told.size).toBe(301);
  expect(names.of('t0')).toBe('t0');
  expect(names.of('t999')).toBe('other');
});
