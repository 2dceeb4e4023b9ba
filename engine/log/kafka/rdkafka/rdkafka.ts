/**
 * node-rdkafka, reached here and nowhere else. It is an optional dependency: it is compiled at the
 * install, and a machine without a compiler has the embedded log only.
 */
import type * as Rdkafka from 'node-rdkafka';
import { MillraceError, messageOf } from '../../../base/errors.ts';
import { onDemand } from '../../../base/on-demand.ts';

export type { KafkaConsumer, LibrdKafkaError, Producer } from 'node-rdkafka';
export type RdkafkaModule = typeof Rdkafka;

const library = onDemand<RdkafkaModule>('node-rdkafka');

/**
 * The module; throws KAFKA_CLIENT_MISSING when it was not installed or not compiled. Main thread
 * only.
 */
export function loadRdkafka(): RdkafkaModule {
  try {
    return library();
  } catch (error) {
    const [problem = ''] = messageOf(error).split('\n');
    throw new MillraceError('KAFKA_CLIENT_MISSING', { problem }, { cause: error });
  }
}
