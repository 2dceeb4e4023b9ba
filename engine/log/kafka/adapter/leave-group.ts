/**
 * A static member leaves its group for good. Its client does not say so when it closes: the group
 * keeps its partitions until the session is over, as the process may be back by then.
 */
import { Cluster, type Reach } from '../direct/cluster.ts';
import { brokerError } from '../wire/broker-errors.ts';
import { findCoordinator } from '../wire/cluster-requests.ts';
import { kafkaCodes } from '../wire/error-codes.ts';
import { retried } from '../wire/retry.ts';
import type { Request } from '../wire/wire-request.ts';

/** It is no longer a member, under its instance id (KIP-345) or at all. */
const goneAlready: ReadonlySet<number> = new Set([kafkaCodes.none, 25, 69]);

/** LeaveGroup by the instance id alone, in a version that brokers from 2.4 to 4.x speak. */
function leave(group: string, instance: string): Request<readonly number[]> {
  return {
    api: 13,
    version: 3,
    write: (body) => {
      body.string(group).array([instance], (id) => body.string('').string(id));
    },
    read: (body) => {
      body.int32(); // throttled
      const error = body.int16();
      const members = body.array(() => {
        body.string(); // the member
        body.string(); // its instance
        return body.int16();
      });
      return [error, ...members];
    },
  };
}

/**
 * Resolves when the group has removed the member, or when it was no longer one.
 * @throws MillraceError, and errors of the brokers that did not pass within `timeoutMs`
 */
export async function leaveGroup(
  reach: Reach,
  group: string,
  instance: string,
  timeoutMs: number,
): Promise<void> {
  const request = leave(group, instance);
  const cluster = new Cluster({ ...reach, needed: [findCoordinator('group', ''), request] });
  try {
    await retried(reach.timing, timeoutMs, async () => {
      const connection = await cluster.to(await cluster.coordinatorOf('group', group));
      const wrong = (await connection.ask(request)).find((error) => !goneAlready.has(error));
      if (wrong !== undefined) throw brokerError(wrong, `group ${group}`);
    });
  } finally {
    cluster.close();
  }
}
