/** The laws of the ports Log and Member on a real broker, over each transport. */
import { afterAll, beforeAll, describe, test } from 'vitest';
import { logLaws, memberLaws } from '../../engine/laws/index.ts';
import { type KafkaLog, openKafkaLog } from '../../engine/log/kafka/adapter/kafka-log.ts';
import { defaultKafkaSettings } from '../../engine/log/kafka/settings/kafka-settings.ts';
import { kafkaAvailable, sharedBroker } from './shared.ts';

describe.skipIf(!(await kafkaAvailable())).each(['direct', 'packed', 'plain'] as const)(
  'Kafka log, %s',
  (transport) => {
    let log: KafkaLog;
    const openLog = async () => {
      const { address: brokers } = await sharedBroker();
      const settings = { ...defaultKafkaSettings, brokers, transport };
      return openKafkaLog({ settings, application: `laws-${transport}` });
    };
    beforeAll(async () => {
      log = await openLog();
    });
    afterAll(() => log?.close());

    const under = {
      // The topics stay with the broker: one log serves all laws, and another is what it left.
      open: async () => {
        let again: KafkaLog | undefined;
        return {
          log,
          reopen: async () => {
            again = await openLog();
            return again;
          },
          dispose: async () => again?.close(),
        };
      },
      prefix: `law-${transport}`,
      // Transactions leave marks in the partitions, and the broker cleans up when it likes.
      dense: false,
      maintains: false,
      // The ledger tells, which is the runtime's.
      tellsCommitId: false,
      // node-rdkafka's own call drops the metadata.
      keepsMetadata: transport !== 'plain',
    };
    for (const { name, check } of [...logLaws(under), ...memberLaws(under)]) test(name, check);
  },
);
