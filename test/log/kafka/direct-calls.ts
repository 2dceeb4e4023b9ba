/**
 * What reads and writes Kafka's record batches; undefined where the native helper is not there, for
 * `describe.skipIf`.
 */
import { systemScheduler } from '../../../engine/base/scheduler.ts';
import type { DirectCalls } from '../../../engine/log/kafka/rdkafka/messages.ts';
import { loadPacked } from '../../../engine/log/kafka/rdkafka/packed-messages.ts';
import { loadRdkafka } from '../../../engine/log/kafka/rdkafka/rdkafka.ts';
import { mustRun } from '../../kafka/questions.ts';

export function directCalls(): DirectCalls | undefined {
  try {
    loadRdkafka();
    return loadPacked(systemScheduler).direct;
  } catch (error) {
    if (mustRun()) throw error;
    return undefined;
  }
}
