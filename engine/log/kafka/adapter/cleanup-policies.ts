/** Reads the clean-up policies of topics, which node-rdkafka cannot. */

import { Cluster, type Reach } from '../direct/cluster.ts';
import { kafkaCodes } from '../wire/error-codes.ts';
import type { Request } from '../wire/wire-request.ts';

/**
 * DescribeConfigs in the version of brokers from 2.0 to 4.x; field by field as in Kafka's protocol
 * guide.
 */
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
        body.string(); // description of the error
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

/**
 * Policies by topic; leaves out topics without the right to describe them. Rejects if no broker
 * responds.
 */
export async function cleanupPolicies(
  reach: Reach,
  topics: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const request = describeConfigs(topics);
  const cluster = new Cluster({ ...reach, needed: [request] });
  try {
    const policies = new Map<string, string>();
    for (const { error, topic, policy } of await cluster.askAny(request)) {
      if (error === kafkaCodes.none && policy !== undefined) policies.set(topic, policy);
    }
    return policies;
  } finally {
    cluster.close();
  }
}
