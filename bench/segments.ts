/**
 * `npm run bench -- segments`: the segment logic alone, on one thread, without log and store: 100
 * segments over many subjects, the cost of an event as segments grow, and a night in which exits
 * fall due.
 */
import { table } from '../engine/cli/output.ts';
import { profileLogic } from '../topologies/personalisation.ts';
import { SubjectRun } from '../topologies/subject/subject-run.ts';

export const day = 86_400_000;
export const subjectClasses = ['email_open', 'email_click', 'page_view', 'purchase', 'email_sent'];

/** `count` segments over 40 different conditions, as marketers vary a few over and over. */
export function segmentsOf(count: number) {
  const leaf = (i: number) => {
    const event = subjectClasses[i % subjectClasses.length];
    const n = 1 + ((i >> 3) % 4);
    const within = `${7 + 7 * (i % 8)}d`;
    return i % 2 === 0
      ? { count: { event, op: 'ge', n, within } }
      : { absent: { event, for: within } };
  };
  return Array.from({ length: count }, (_, i) => ({
    id: `s${i}`,
    version: 1,
    when: { and: [leaf(i % 40), leaf((i * 7 + 3) % 40), { not: leaf((i * 11 + 5) % 40) }] },
  }));
}

interface Figures {
  readonly events: number;
  readonly eventSeconds: number;
  readonly timers: number;
  readonly timerSeconds: number;
  readonly changes: number;
}

/** Ten events a subject over 30 days, then 120 days of silence in which every exit falls due. */
function measure(subjects: number, segments: number): Figures {
  const logic = profileLogic({ segments: segmentsOf(segments) });
  let [events, timers, changes] = [0, 0, 0];
  const onTimer = logic.onTimer.bind(logic);
  logic.onTimer = (context, at) => {
    timers++;
    onTimer(context, at);
  };
  let eventTime = 0n;
  let timerTime = 0n;
  for (let s = 0; s < subjects; s++) {
    const run = new SubjectRun(logic, `s${s}`);
    const start = process.hrtime.bigint();
    for (let i = 0; i < 10; i++) {
      const at = 1_000 * day + i * 3 * day + ((s * 7_919) % day);
      run.take({ at, event: { id: `${i}`, class: subjectClasses[(s + i * 3) % 5] as string } });
      events++;
    }
    const silent = process.hrtime.bigint();
    run.advanceTo(1_150 * day);
    timerTime += process.hrtime.bigint() - silent;
    eventTime += silent - start;
    changes += run.changes.length;
  }
  return {
    events,
    eventSeconds: Number(eventTime) / 1e9,
    timers,
    timerSeconds: Number(timerTime) / 1e9,
    changes,
  };
}

/** Prints events and timers a second, and microseconds an event as segments grow. */
export function segmentsBench(): void {
  measure(500, 100);
  const subjects = Number(process.env['MILLRACE_BENCH_SUBJECTS'] ?? 2_000);
  const sizes = [1, 10, 100, 1_000];
  const rows = sizes.map((size) => {
    const some = size === 100 ? subjects : Math.max(500, Math.min(subjects, 200_000 / size));
    const { events, eventSeconds, timers, timerSeconds, changes } = measure(some, size);
    return [
      size,
      some,
      Math.round(events / eventSeconds),
      ((eventSeconds * 1e6) / events).toFixed(1),
      timers,
      Math.round(timers / timerSeconds),
      changes,
    ];
  });
  const header = ['segments', 'subjects', 'events/s', 'us/event', 'timers', 'timers/s', 'changes'];
  console.log(table(header, rows));
}
