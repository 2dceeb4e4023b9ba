/** What the brokers do with old records of topics, which node-rdkafka cannot ask. */

import {
  type BrokerAccess,
  type BrokerAddress,
  BrokerConnection,
} from '../wire/broker-connection.ts';
import { kafkaCodes } from '../wire/error-codes.ts';
import type { Request } from '../wire/request.ts';

/** DescribeConfigs in the version that brokers from 2.0 to 4.x speak; field by field as in Kafka's protocol guide. */
function describeConfigs(topics: readonly string[]): Request<readonly Described[]> {
  const [ofTopic, withoutSynonyms] = [2, 0];
  return {
    api: 32,
    version: 1,
    write: (body) => {
      body.array(topics, (topic) => {
        body
          .int8(ofTopic)
          .string(topic)
          .array(['cleanup.policy'], (name) => body.string(name));
      });
      body.int8(withoutSynonyms);
    },
    read: (body) => {
      body.int32(); // throttled
      return body.array(() => {
        const error = body.int16();
        body.string(); // what it says of the error
        body.int8(); // kind of resource
        const topic = body.string() ?? '';
        const configs = body.array(() => {
          const [name, value] = [body.string(), body.string()];
          body.int8(); // read only
          body.int8(); // source
          body.int8(); // sensitive
          body.array(() => [body.string(), body.string(), body.int8()]);
          return { name, value };
        });
        const policy = configs.find(({ name }) => name === 'cleanup.policy')?.value;
        return { error, topic, policy };
      });
    },
  };
}

interface Described {
  readonly error: number;
  readonly topic: string;
  readonly policy: string | undefined;
}

/** Policies by topic; without those that we may not know. Rejects when no broker answers. */
export async function cleanupPolicies(
  bootstrap: readonly BrokerAddress[],
  access: BrokerAccess,
  topics: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  let last: unknown = new Error('no broker is known');
  for (const address of bootstrap) {
    try {
      const request = describeConfigs(topics);
      const connection = await BrokerConnection.open(address, access, [request]);
      try {
        const answers = await connection.ask(request);
        return new Map(
          answers.flatMap(({ error, topic, policy }) =>
            error === kafkaCodes.none && policy !== undefined ? [[topic, policy] as const] : [],
          ),
        );
      } finally {
        connection.close();
      }
    } catch (error) {
      last = error;
    }
  }
  throw last;
}
