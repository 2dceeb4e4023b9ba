/** What reads Kafka's record batches; undefined where the native helper is not there, for `describe.skipIf`. */
import type { Unpack } from '../../../engine/log/kafka/fetch/fetcher.ts';
import { loadPacked } from '../../../engine/log/kafka/packed-messages.ts';
import { loadRdkafka } from '../../../engine/log/kafka/rdkafka.ts';
import { mustRun } from '../../kafka/questions.ts';

export async function unpacker(): Promise<Unpack | undefined> {
  try {
    await loadRdkafka();
    return loadPacked().unpack;
  } catch (error) {
    if (mustRun()) throw error;
    return undefined;
  }
}
