/**
 * Loads node-rdkafka; the only file that does. It is an optional dependency that is compiled at
 * install time; a machine without a compiler only has the embedded log.
 */
import type * as Rdkafka from 'node-rdkafka';
import { MillraceError, messageOf } from '../../../base/errors.ts';
import { onDemand } from '../../../base/on-demand.ts';

export type { KafkaConsumer, LibrdKafkaError, Producer } from 'node-rdkafka';
export type RdkafkaModule = typeof Rdkafka;

const library = onDemand<RdkafkaModule>('node-rdkafka');

/**
 * The module; main thread only.
 * @throws KAFKA_CLIENT_MISSING if it was not installed or not compiled
 */
export function loadRdkafka(): RdkafkaModule {
  try {
    return library();
  } catch (error) {
    const [problem = ''] = messageOf(error).split('\n');
    throw new MillraceError('KAFKA_CLIENT_MISSING', { problem }, { cause: error });
  }
}
