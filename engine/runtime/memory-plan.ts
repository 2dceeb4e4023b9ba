/** Divides the memory for state between hosts and cycles. */
import { defaultMemoryBytes } from '../base/memory.ts';
import type { Log } from '../log/log.ts';
import { defaultErrorPolicy } from '../task/error-policy.ts';
import type { HostConfig } from '../task/host-port.ts';
import { type CycleRoom, CycleSize, cycleRoom } from './cycle-size.ts';
import type { RuntimeSettings } from './run-settings.ts';
import type { Plan } from './start-plan.ts';

interface Given extends RuntimeSettings {
  readonly application: string;
  readonly log: Log;
  readonly stateDirectory: string;
}

const mebibyte = 1024 * 1024;

export class MemoryPlan {
  /** Memory for state over all tasks, bytes. */
  readonly memoryBytes: number;
  readonly hostConfig: HostConfig;
  readonly #given: Given;
  readonly #room: CycleRoom;

  constructor(given: Given, { partitionsOf, tasks }: Plan) {
    const { application, log, stateDirectory, onError } = given;
    const { cacheBytes = 32 * mebibyte, dirtyBytesMax = 32 * mebibyte } = given;
    this.#given = given;
    this.memoryBytes = given.memoryBytes ?? defaultMemoryBytes();
    const sources = tasks.reduce((sum, { topics }) => sum + topics.length, 0);
    this.#room = cycleRoom(this.memoryBytes, sources);
    this.hostConfig = {
      ...{ application, stateDirectory, partitionsOf, cacheBytes, dirtyBytesMax },
      memoryBytes: this.memoryBytes,
      tasks: Math.max(1, tasks.length),
      traceEvery: given.traceEvery,
      onError: { ...defaultErrorPolicy, ...onError },
      ...(log.limits === undefined ? {} : { limits: log.limits }),
    };
  }

  get cycleSize(): CycleSize {
    const { recordsPerCycle, commitIntervalMs = 0 } = this.#given;
    return new CycleSize(recordsPerCycle, commitIntervalMs, this.#room);
  }
}
