/** Numbers, spans and instants as a person reads them. */

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

export function count(n: number): string {
  return whole.format(n);
}

/** 1.2K, 3.4M: for narrow places. */
export function brief(n: number): string {
  return Math.abs(n) < 10_000 ? whole.format(n) : short.format(n);
}

export function rate(perSecond: number): string {
  if (perSecond > 0 && perSecond < 10) return `${perSecond.toFixed(1)}/s`;
  return `${brief(perSecond)}/s`;
}

export function bytes(n: number): string {
  let value = n;
  for (const unit of ['B', 'KB', 'MB', 'GB', 'TB']) {
    if (Math.abs(value) < 1_000 || unit === 'TB') {
      return `${value < 10 && unit !== 'B' ? value.toFixed(1) : Math.round(value)} ${unit}`;
    }
    value /= 1_024;
  }
  return '';
}

/** A short time: 4.2 ms, 1.3 s. */
export function milliseconds(ms: number): string {
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  return `${(ms / 1_000).toFixed(1)} s`;
}

const units: readonly (readonly [number, string])[] = [
  [86_400_000, 'day'],
  [3_600_000, 'hour'],
  [60_000, 'minute'],
  [1_000, 'second'],
];

/** A span in the words of a definition: 30 days, 1 day 12 hours. */
export function span(ms: number): string {
  if (!Number.isFinite(ms)) return 'ever';
  const parts: string[] = [];
  let left = Math.abs(ms);
  for (const [size, name] of units) {
    const n = Math.floor(left / size);
    left -= n * size;
    if (n > 0) parts.push(`${n} ${name}${n === 1 ? '' : 's'}`);
  }
  if (left > 0 || parts.length === 0) parts.push(`${left} ms`);
  return parts.join(' ');
}

/** An approximate span: the greatest unit, or two of days and hours. */
export function about(ms: number): string {
  const least = units.find(([size]) => Math.abs(ms) >= size)?.[0] ?? 1_000;
  const unit = least === 86_400_000 && Math.abs(ms) < 3 * least ? 3_600_000 : least;
  return span(Math.max(unit, Math.round(Math.abs(ms) / unit) * unit));
}

export const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;

const full = new Intl.DateTimeFormat(undefined, {
  year: 'numeric',
  month: 'short',
  day: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
});
const dayOnly = new Intl.DateTimeFormat(undefined, {
  year: 'numeric',
  month: 'short',
  day: 'numeric',
});
const clock = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
});

/** In the viewer's own time zone. */
export function instant(ms: number): string {
  return full.format(ms);
}

export function day(ms: number): string {
  return dayOnly.format(ms);
}

export function time(ms: number): string {
  return clock.format(ms);
}

/** `in 3 days` or `2 hours ago`, relative to an instant. */
export function from(ms: number, now: number): string {
  if (Math.abs(ms - now) < 1_000) return 'now';
  return ms > now ? `in ${about(ms - now)}` : `${about(now - ms)} ago`;
}

export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}
