/** `kind: kafka`: records of a topic that others write, such as the change events of Debezium. */

import type { CommonSpec } from '../common-spec.ts';
import { type Check, type Fields, maybe, oneOf, text } from '../spec-check.ts';

export interface KafkaSpec extends CommonSpec {
  readonly kind: 'kafka';
  /** host:port, separated by commas. */
  readonly brokers?: string;
  /** JSON file with Kafka settings, as for --kafka-config. */
  readonly kafkaConfig?: string;
  /** The topic that is read. */
  readonly from: string;
  /** Where the first run starts; default earliest. */
  readonly start?: 'earliest' | 'latest';
}

export const kafkaFields: Fields = {
  brokers: maybe(text),
  kafkaConfig: maybe(text),
  from: text,
  start: maybe(oneOf('earliest', 'latest')),
};

export const kafkaRules: Check = (value, path, tell) => {
  const { brokers, kafkaConfig } = value as KafkaSpec;
  if (brokers === undefined && kafkaConfig === undefined) {
    tell(`${path}.brokers`, "is missing, and there is no 'kafkaConfig'");
  }
};
