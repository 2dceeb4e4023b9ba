/**
 * The sample log of a first start: JSON lines in order of arrival, determined by the seed. A few
 * percent are, on purpose, late (beyond the grace), duplicates, or malformed.
 */
import { dayMs } from '../time-units.ts';
export interface SampleOptions {
  readonly seed: number;
  readonly subjects: number;
  readonly days: number;
  /** First day, ms UTC. */
  readonly start: number;
}

export const defaultSample: SampleOptions = {
  seed: 1,
  subjects: 3_000,
  days: 90,
  start: Date.UTC(2026, 0, 1),
};

interface Line {
  readonly arrival: number;
  readonly text: string;
}

const minute = 60_000;

/** Probability of each class on a day, for a subject of full interest. */
const daily: readonly (readonly [name: string, chance: number])[] = [
  ['email_sent', 0.25],
  ['email_open', 0.18],
  ['email_click', 0.05],
  ['page_view', 0.2],
  ['product_view', 0.12],
  ['add_to_cart', 0.05],
  ['purchase', 0.03],
];

export function sampleLines(options: SampleOptions = defaultSample): string[] {
  const random = mulberry(options.seed);
  const lines: Line[] = [];
  for (let s = 0; s < options.subjects; s++) subjectLines(options, s, random, lines);
  lines.sort((a, b) => a.arrival - b.arrival || (a.text < b.text ? -1 : 1));
  return lines.map((line) => line.text);
}

function subjectLines(
  { days, start }: SampleOptions,
  s: number,
  random: () => number,
  lines: Line[],
): void {
  const subject = `s${String(s).padStart(5, '0')}`;
  const interest = random() ** 2;
  const plan = ['free', 'free', 'premium', 'business'][Math.floor(random() * 4)];
  // A third of the subjects lose interest, so that scores fall and segments are left.
  const leaves = random() < 0.35 ? random() * days : days;
  for (let d = 0; d < days; d++) {
    for (const [name, chance] of daily) {
      const keen = name === 'email_sent' ? 1 : d < leaves ? interest * 2 : 0.02;
      if (random() >= chance * keen) continue;
      const at = start + d * dayMs + Math.floor(random() * (dayMs / minute)) * minute;
      const id = `${subject}-${d}-${name}`;
      const item = `${name}-${Math.floor(random() * 40)}`;
      const time = new Date(at).toISOString();
      push(lines, random, at, { id, subject, class: name, item, time, plan });
    }
  }
}

/** Writes the line, sometimes with one of the faults that real logs have. */
function push(
  lines: Line[],
  random: () => number,
  at: number,
  event: Readonly<Record<string, unknown>> & { readonly time: string },
): void {
  const text = JSON.stringify(event);
  const arrival = at + Math.floor(random() * minute);
  const accident = random();
  if (accident < 0.01) lines.push({ arrival: arrival + 10 * dayMs, text });
  else lines.push({ arrival, text });
  if (accident >= 0.01 && accident < 0.025) lines.push({ arrival: arrival + 3 * minute, text });
  else if (accident >= 0.025 && accident < 0.03) {
    lines.push({ arrival, text: text.slice(0, text.length >> 1) });
  } else if (accident >= 0.03 && accident < 0.035) {
    const time = event.time.replace('T', ' ');
    lines.push({ arrival, text: JSON.stringify({ ...event, time }) });
  }
}

/** Mulberry32: a small generator, uniform enough for a sample. Public domain, T. Ettinger. */
function mulberry(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
