/**
 * A live system in a process of its own: a quiet person among others who are active, and wrong
 * clocks.
 */
import { expect, it } from 'vitest';
import { emptyFolder, launch } from '../process/millrace.ts';
import { absenceMs } from './absence-module.ts';

interface Report {
  readonly at: number;
  readonly told: readonly {
    readonly topic: string;
    readonly person: string;
    readonly at: number;
  }[];
  /** Others were active meanwhile. */
  readonly isActive: boolean;
  readonly drops: object;
  readonly failures: Readonly<Record<string, number>>;
}

const child = 'test/time/live-child.ts';

/** Each once, effective at the exact millisecond. */
function expectTold({ at, told, drops }: Report): void {
  const expected = ['gone-direct', 'gone-behind'].flatMap((topic) =>
    ['quiet', 'alone'].map((person) => ({ topic, person, at: at + absenceMs })),
  );
  expect(new Set(told)).toEqual(new Set(expected));
  expect(told).toHaveLength(expected.length);
  expect(drops).toEqual({});
}

it('an absence is told while others are active, also on a silent partition', async () => {
  const { stdout, stderr, code } = await launch(child, [await emptyFolder(), '1']).ended;
  expect([code, stderr]).toEqual([0, expect.stringContaining('seen')]);
  const report = JSON.parse(stdout) as Report;
  expectTold(report);
  // Rows of the year 2098 at the start, in the middle and at the end harmed nobody.
  expect(report.failures).toEqual({ 'visits|future': 3, 'views|future': 3 });
});

it('an absence is told after a SIGKILL, at the same instant', async () => {
  const folder = await emptyFolder();
  const first = launch(child, [folder, '0']);
  await first.says('seen');
  first.child.kill('SIGKILL');
  const { stderr } = await first.ended;
  const at = /seen (\d+)/.exec(stderr)?.[1] ?? '';
  const second = await launch(child, [folder, '0', at]).ended;
  expect([second.code, second.stderr]).toEqual([0, expect.any(String)]);
  expectTold(JSON.parse(second.stdout) as Report);
});
