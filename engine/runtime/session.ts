/**
 * The open resources of a runtime from start to end: the writer, the group membership, the hosts
 * and their tasks. A session is always complete: if a start fails, everything it opened is closed.
 */

import { must } from '../base/assert.ts';
import type { Writer } from '../log/log.ts';
import type { Member } from '../log/member.ts';
import type { HostPort } from '../task/host-port.ts';
import { Assignment } from './assignment.ts';
import { commitModelOf } from './commit-model.ts';
import { Committer } from './committer.ts';
import type { SourceConnector } from './connector.ts';
import { deploymentCursor, readCursors } from './cursors.ts';
import { deploy } from './deploy.ts';
import { MemoryPlan } from './memory-plan.ts';
import { announcer } from './owners.ts';
import { resetsIn } from './reset.ts';
import type { RuntimeParts } from './runtime-parts.ts';
import { cursorWriter } from './source-intake.ts';
import { groupPartitions, type Plan, plan } from './start-plan.ts';

export class Session {
  readonly plan: Plan;
  readonly memory: MemoryPlan;
  readonly member: Member;
  readonly committer: Committer;
  readonly assignment: Assignment;
  /** Closes everything, newest first. */
  readonly close: () => Promise<void>;

  private constructor(opened: Omit<Session, 'close' | 'openTasks'>, close: () => Promise<void>) {
    this.plan = opened.plan;
    this.memory = opened.memory;
    this.member = opened.member;
    this.committer = opened.committer;
    this.assignment = opened.assignment;
    this.close = close;
  }

  /** Opens the writer, creates topics, joins the group; opens and restores every assigned task. */
  static async open(parts: RuntimeParts): Promise<Session> {
    const opening = new Opening(parts);
    try {
      const session = new Session(await opening.open(), () => opening.close());
      await session.openTasks(parts);
      return session;
    } catch (error) {
      await opening.close();
      throw error;
    }
  }

  /**
   * Opens the tasks. If all partitions are assigned at once, the tasks are open when this returns.
   */
  async openTasks({ summary }: Pick<RuntimeParts, 'summary'>): Promise<void> {
    await this.assignment.follow();
    if (commitModelOf(this.member).opensFirst) await this.assignment.openTasks.allOpen();
    summary.restored = this.assignment.openTasks.restored;
  }
}

/** A session that is being opened. */
class Opening {
  readonly #parts: RuntimeParts;
  /** The first hosts; they load their code while topics are created and the group is joined. */
  #starting: Promise<readonly HostPort[]> | undefined;
  /**
   * The writer; until it commits it needs neither topics nor the group, so it opens in parallel.
   */
  #writer: Promise<Writer> | undefined;
  #member: Member | undefined;
  #assignment: Assignment | undefined;
  /** Writers of the sources on a shared log; the process that started a source last owns it. */
  readonly #sourceWriters = new Map<SourceConnector, Writer>();

  constructor(parts: RuntimeParts) {
    this.#parts = parts;
  }

  async open(): Promise<Omit<Session, 'close' | 'openTasks'>> {
    const { options, pause } = this.#parts;
    const { application, log, sources = [] } = options;
    const existing = await log.topics();
    const written = sources.flatMap((source) => source.topics);
    const planned = plan({
      ...options,
      losesMetadata: log.keepsMetadata === false,
      existing,
      written,
    });
    const memory = new MemoryPlan(options, planned);
    this.#starting = options.startHosts(memory.hostConfig);
    // Awaited when the tasks are opened; until then a failure must not end the process.
    this.#starting.catch(() => {});
    const writer = log.openWriter(application, () => this.#joined);
    this.#writer = writer;
    writer.catch(() => {});
    const member = await this.#join(planned, existing);
    if (commitModelOf(member).sourcesApart) {
      for (const source of sources) {
        this.#sourceWriters.set(source, await log.openWriter(cursorWriter(application, source)));
      }
    }
    const committer = this.#committer(await writer, member);
    const cursors = await readCursors(log, application);
    await pause.read();
    this.#deploy(planned, committer, cursors.get(deploymentCursor));
    const assignment = this.#assign(planned, memory, { member, committer, cursors });
    this.#assignment = assignment;
    await assignment.start();
    return { plan: planned, memory, member, committer, assignment };
  }

  async close(): Promise<void> {
    // The starter of the hosts stops them, which is possible once they have started.
    await this.#starting?.catch(() => {});
    await this.#assignment?.close();
    for (const writer of this.#sourceWriters.values()) await writer.close();
    this.#sourceWriters.clear();
    const writer = await this.#writer?.catch(() => undefined);
    this.#writer = undefined;
    await writer?.close();
    const member = this.#member;
    this.#member = undefined;
    await member?.leave();
  }

  get #joined(): Member {
    return must(this.#member, 'the group is joined');
  }

  /** Creates missing topics and joins the group. */
  async #join(
    planned: Plan,
    existing: Awaited<ReturnType<RuntimeParts['options']['log']['topics']>>,
  ): Promise<Member> {
    const { options, scheduler } = this.#parts;
    const { application, log } = options;
    const topicsMade = log.createTopics(planned.topics, existing);
    const partitions = groupPartitions(planned);
    const there = new Set(existing.map(({ name }) => name));
    const complete = partitions.every(({ topic }) => there.has(topic));
    const joining = log.join({
      group: application,
      partitions,
      scheduler,
      // Joining need not wait for changelogs; but a start that will fail must not disturb the
      // group.
      ready: () => (complete ? Promise.race([topicsMade, Promise.resolve()]) : topicsMade),
    });
    const [joined, made] = await Promise.allSettled([joining, topicsMade]);
    if (joined.status === 'fulfilled') this.#member = joined.value;
    if (made.status === 'rejected') throw made.reason;
    if (joined.status === 'rejected') throw joined.reason;
    return joined.value;
  }

  #committer(writer: Writer, member: Member): Committer {
    const { options, intake, summary, observer, clock } = this.#parts;
    return new Committer({
      application: options.application,
      keepsTimes: options.log.keepsMetadata === false,
      writer,
      sourceWriters: commitModelOf(member).sourcesApart ? this.#sourceWriters : undefined,
      ...{ intake, summary, observer, clock },
      at: options.at,
    });
  }

  #assign(
    planned: Plan,
    { hostConfig }: MemoryPlan,
    {
      member,
      committer,
      cursors,
    }: {
      readonly member: Member;
      readonly committer: Committer;
      readonly cursors: ReadonlyMap<string, unknown>;
    },
  ): Assignment {
    const { options, observer, clock, scheduler } = this.#parts;
    const { application, log, startHosts, address, onOffsetLost = 'stop', at } = options;
    return new Assignment({
      ...{ log, member, onOffsetLost, at, observer, clock, scheduler },
      resets: resetsIn(application, cursors),
      onOpened: announcer(
        commitModelOf(member).hasOthers ? address : undefined,
        cursors,
        committer.cursors,
      ),
      planned: planned.tasks,
      globals: planned.globals,
      startHosts: (config) => {
        const starting = this.#starting ?? startHosts(config);
        this.#starting = undefined;
        return starting;
      },
      config: hostConfig,
    });
  }

  #deploy(planned: Plan, { cursors }: Committer, deployed: unknown): void {
    const { application, topology, orphans = [] } = this.#parts.options;
    const next = deploy(deployed, { application, topology, orphans, plan: planned });
    if (JSON.stringify(deployed) !== JSON.stringify(next)) cursors.set(deploymentCursor, next);
  }
}
