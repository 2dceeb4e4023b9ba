/**
 * The progress bar of a bounded run, on standard error; without a terminal, a line at intervals.
 */
import { MultiBar, Presets } from 'cli-progress';
import type { Observer } from '../base/events.ts';
import type { Summary } from '../runtime/summary.ts';

/** Interval of lines without a terminal, ms. */
const lineEveryMs = 5_000;

export interface Progress {
  readonly observer: Observer;
  stop(): void;
}

/** @param totalBytes size of the input, when known; compressed input is only estimated */
export function progressBar(totalBytes: number, summary: () => Summary | undefined): Progress {
  const terminal = process.stderr.isTTY === true;
  const bars = new MultiBar(
    {
      stream: process.stderr,
      clearOnComplete: false,
      hideCursor: true,
      format:
        '{bar} {percentage}% | {records} records, {rate}/s | event time {eventTime} | late {late} | dead letters {dead} | {eta_formatted} left',
    },
    Presets.shades_classic,
  );
  const begin = Date.now();
  const bar = terminal ? bars.create(totalBytes, 0, payloadOf(undefined, begin)) : undefined;
  let lastLine = begin;
  const show = () => {
    const now = summary();
    const bytes = now?.sources.reduce((sum, source) => sum + source.bytes, 0) ?? 0;
    bar?.update(Math.min(bytes, totalBytes), payloadOf(now, begin));
    if (terminal || Date.now() - lastLine < lineEveryMs) return;
    lastLine = Date.now();
    const { records, rate, eventTime } = payloadOf(now, begin);
    process.stderr.write(`${records} records, ${rate}/s, event time ${eventTime}\n`);
  };
  return {
    observer: {
      on: (name) => {
        if (name === 'cycleCommitted') show();
      },
    },
    stop: () => {
      bar?.update(totalBytes, payloadOf(summary(), begin));
      bars.stop();
    },
  };
}

function payloadOf(summary: Summary | undefined, begin: number) {
  const seconds = Math.max(0.001, (Date.now() - begin) / 1_000);
  const records = summary?.counters.in ?? 0;
  const eventTime = summary?.streamTime ?? Number.NEGATIVE_INFINITY;
  let late = 0;
  for (const [place, n] of Object.entries(summary?.counters.drops ?? {})) {
    if (place.endsWith('|late')) late += n;
  }
  const refused = summary?.sources.reduce((sum, source) => sum + source.deadLettered, 0) ?? 0;
  return {
    records,
    rate: Math.round(records / seconds),
    eventTime: Number.isFinite(eventTime) ? new Date(eventTime).toISOString().slice(0, 16) : '-',
    late,
    dead: refused + (summary?.counters.deadLettered ?? 0),
  };
}
