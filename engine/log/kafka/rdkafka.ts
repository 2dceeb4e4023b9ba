/**
 * node-rdkafka, reached here and nowhere else. It is an optional dependency: it is compiled at the
 * install, and a machine without a compiler has the embedded log only.
 */
import type * as Rdkafka from 'node-rdkafka';
import { MillraceError, messageOf } from '../../base/errors.ts';

export type { KafkaConsumer, LibrdKafkaError, Producer } from 'node-rdkafka';
export type RdkafkaModule = typeof Rdkafka;

let loaded: Promise<RdkafkaModule> | undefined;

/** The module; KAFKA_CLIENT_MISSING when it was not installed or not compiled. Main thread only. */
export function loadRdkafka(): Promise<RdkafkaModule> {
  loaded ??= import('node-rdkafka').then(
    (module) => module.default as unknown as RdkafkaModule,
    (error: unknown) => {
      loaded = undefined;
      const [problem = ''] = messageOf(error).split('\n');
      throw new MillraceError('KAFKA_CLIENT_MISSING', { problem }, { cause: error });
    },
  );
  return loaded;
}
