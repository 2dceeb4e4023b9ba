/** Deletes the offsets of an empty group, which node-rdkafka cannot. */
import { MillraceError } from '../../../base/errors.ts';
import type { GroupOffset } from '../../log.ts';
import { Cluster, type Reach } from '../direct/cluster.ts';
import { brokerError } from '../wire/broker-errors.ts';
import { findCoordinator } from '../wire/cluster-requests.ts';
import { kafkaCodes } from '../wire/error-codes.ts';
import { retried } from '../wire/retry.ts';
import type { PartitionOutcome } from '../wire/transaction-requests.ts';
import { byTopic, type Request } from '../wire/wire-request.ts';

const [nonEmptyGroup, groupIdNotFound] = [68, 69];
/** Errors by which a coordinator reports that the group has members. */
const membersThere: ReadonlySet<number> = new Set([nonEmptyGroup, 22, 25, 27]);

/** DeleteGroups, in a version of brokers from 2.0 to 4.x. */
function deleteGroups(groups: readonly string[]): Request<readonly number[]> {
  return {
    api: 42,
    version: 1,
    write: (body) => {
      body.array(groups, (group) => body.string(group));
    },
    read: (body) => {
      body.int32(); // throttled
      return body.array(() => {
        body.string(); // the group
        return body.int16();
      });
    },
  };
}

/** OffsetCommit without a member; it is refused if the group has members. */
function setOffsets(
  group: string,
  offsets: readonly GroupOffset[],
): Request<readonly PartitionOutcome[]> {
  const [noGeneration, asBrokersKeep] = [-1, -1];
  return {
    api: 8,
    version: 2,
    write: (body) => {
      body.string(group).int32(noGeneration).string('').int64(asBrokersKeep);
      body.array([...byTopic(offsets)], ([topic, list]) => {
        body.string(topic).array(list, ({ partition, offset, metadata = '' }) => {
          body.int32(partition).int64(offset).string(metadata);
        });
      });
    },
    read: (body) =>
      body
        .array(() => {
          const topic = body.string() ?? '';
          return body.array(() => ({ topic, partition: body.int32(), error: body.int16() }));
        })
        .flat(),
  };
}

/**
 * @param offsets the group's offsets afterwards
 * @throws APPLICATION_RUNS while the group has members; nothing is changed then
 */
export async function forgetGroup(
  reach: Reach | string,
  { brokers, timeoutMs }: { readonly brokers: string; readonly timeoutMs: number },
  group: string,
  offsets: readonly GroupOffset[],
): Promise<void> {
  if (typeof reach === 'string') {
    const problem = `the group cannot be reset with these settings (${reach}): use kafka-consumer-groups --delete --group ${group} first`;
    throw new MillraceError('KAFKA_REJECTED', { brokers, problem });
  }
  const needed = [findCoordinator('group', ''), deleteGroups([]), setOffsets('', [])];
  const cluster = new Cluster({ ...reach, needed });
  const asked = <T>(request: Request<T>, errorsOf: (answer: T) => readonly number[]) =>
    retried(reach.timing, timeoutMs, async () => {
      const connection = await cluster.to(await cluster.coordinatorOf('group', group));
      const wrong = errorsOf(await connection.ask(request)).find((e) => e !== kafkaCodes.none);
      if (wrong !== undefined) throw brokerError(wrong, `group ${group}`);
    });
  try {
    await asked(deleteGroups([group]), (errors) => errors.filter((e) => e !== groupIdNotFound));
    if (offsets.length === 0) return;
    await asked(setOffsets(group, offsets), (all) => all.map(({ error }) => error));
  } catch (error) {
    const code = Number((error as { code?: unknown }).code);
    if (membersThere.has(code)) {
      const problem = 'its group has members';
      throw new MillraceError('APPLICATION_RUNS', { application: group, problem });
    }
    throw error;
  } finally {
    cluster.close();
  }
}
