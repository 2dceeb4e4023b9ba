/**
 * Runs the steps of a task when time passes: instant by instant over all steps, so that results do
 * not depend on how far a watermark moves at once.
 */
import type { TimedStep } from '../graph/processor.ts';
import type { TimeLevel } from './time-level.ts';

const never = Number.POSITIVE_INFINITY;

/**
 * Advances all steps to `until`, ms UTC.
 * @param inOrder of their instants; otherwise step by step
 */
export function passSteps(
  timed: readonly TimedStep[],
  until: number,
  isIdle: boolean,
  inOrder: boolean,
): void {
  // A single step keeps the order of instants itself.
  if (inOrder && timed.length > 1) {
    for (let next = nextOf(timed); next <= until; ) {
      for (const step of timed) step.pass(next);
      const following = nextOf(timed);
      if (following <= next) break;
      next = following;
    }
  }
  for (const step of timed) {
    if (isIdle && step.passIdle !== undefined) step.passIdle(until);
    else step.pass(until);
  }
}

/**
 * Advances each step to the `until` of its level, in the order of their instants. A delayed level
 * reaches an instant later by its delay.
 * @param levelOf the level of each step
 */
export function passLevels(
  timed: readonly TimedStep[],
  levelOf: readonly TimeLevel[],
  isIdle: boolean,
): void {
  for (let next = nextKnown(timed, levelOf); next < never; ) {
    for (let i = 0; i < timed.length; i++) {
      const { until, plan } = levelOf[i] as TimeLevel;
      timed[i]?.pass(Math.min(until, next - plan.delayMs));
    }
    const following = nextKnown(timed, levelOf);
    if (following <= next) break;
    next = following;
  }
  for (let i = 0; i < timed.length; i++) {
    const { until } = levelOf[i] as TimeLevel;
    const step = timed[i] as TimedStep;
    if (isIdle && step.passIdle !== undefined) step.passIdle(until);
    else step.pass(until);
  }
}

/**
 * Forwards records that wait for time, instant by instant, with timers between them, as if time
 * advanced.
 */
export async function endRecords(
  timed: readonly TimedStep[],
  settle: () => Promise<void>,
): Promise<void> {
  const held = timed.filter(({ holdsRecords }) => holdsRecords === true);
  for (let next = nextOf(held); next < never; ) {
    for (const step of timed) step.endUntil?.(next - 1);
    for (const step of held) step.endUntil?.(next);
    await settle();
    const following = nextOf(held);
    if (following <= next) return;
    next = following;
  }
}

function nextOf(steps: readonly TimedStep[]): number {
  let next = never;
  for (const step of steps) next = Math.min(next, step.nextDue());
  return next;
}

/** The next instant, delay included, that a step may act at; +Infinity: none. */
function nextKnown(timed: readonly TimedStep[], levelOf: readonly TimeLevel[]): number {
  let next = never;
  for (let i = 0; i < timed.length; i++) {
    const { until, plan } = levelOf[i] as TimeLevel;
    const due = timed[i]?.nextDue() ?? never;
    if (due <= until) next = Math.min(next, due + plan.delayMs);
  }
  return next;
}
