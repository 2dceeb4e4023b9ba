/**
 * The lag as a metric: what cannot be asked now leaves the other metrics alone, and what is gone is
 * gone.
 */
import { expect, test } from 'vitest';
import { MillraceError } from '../../engine/base/errors.ts';
import type { PartitionLag } from '../../engine/runtime/assignment.ts';
import { metricsObserver } from '../../engine/runtime/observe.ts';

test('metrics are told while the lag cannot be asked for', async () => {
  let lags: readonly PartitionLag[] | undefined = [
    { topic: 'words', partition: 0, records: 7 },
    { topic: 'words', partition: 1, records: 8 },
  ];
  const { observer, registry } = metricsObserver(
    async () => {
      if (lags !== undefined) return lags;
      throw new MillraceError('LOG_NOT_READY', { brokers: 'b', problem: 'no leader' });
    },
    async () => undefined,
  );
  observer.on('partitionStalled', { topic: 'words', partition: 1, problem: 'no leader' });
  const told = async () =>
    (await registry.metrics())
      .split('\n')
      .filter((line) => /^millrace_(lag_records|partition_stalled){/.test(line));
  const stalled = 'millrace_partition_stalled{topic="words",partition="1"} 1';
  const lag = (partition: number, records: number) =>
    `millrace_lag_records{topic="words",partition="${partition}"} ${records}`;
  expect((await told()).sort()).toEqual([lag(0, 7), lag(1, 8), stalled]);
  lags = undefined;
  expect(await told()).toEqual([stalled]);
  lags = [{ topic: 'words', partition: 0, records: 9 }];
  expect((await told()).sort()).toEqual([lag(0, 9), stalled]);
});
