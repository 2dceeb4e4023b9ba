/**
 * A comparison as it is kept: report.json with every run, report.md with its tables, ratios.svg
 * with the plot.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { attributionTable } from './attribution.ts';
import type { Line } from './compare.ts';
import type { Format } from './event-formats.ts';
import { linesTable, type machine, type Ratio, ratios, ratiosSvg, ratiosTable } from './report.ts';
import { stagesTable, summaryTable } from './summary.ts';

export interface Report {
  readonly machine: ReturnType<typeof machine>;
  readonly guarantee: string;
  readonly commitMs: number;
  readonly threads: number;
  readonly keys: number;
  readonly skew: number;
  /** Of the events; reports from before there were others do not say it. */
  readonly format?: Format;
  readonly lines: readonly Line[];
  readonly ratios: readonly Ratio[];
}

export function writeReport(folder: string, report: Report): void {
  const { lines } = report;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'report.json'), `${JSON.stringify(report, undefined, 2)}\n`);
  writeFileSync(join(folder, 'ratios.svg'), ratiosSvg(report.ratios));
  const text = [
    '# Side by side\n\n![ratios](ratios.svg)\n',
    summaryTable(lines),
    `\n${stagesTable(lines)}\n`,
    fenced(ratiosTable(report.ratios)),
    fenced(linesTable(lines)),
    fenced(attributionTable(lines)),
  ].join('\n');
  writeFileSync(join(folder, 'report.md'), text);
}

/** The reports of several runs of one sitting, with the same settings, as one. */
export function joinedReport(files: readonly string[]): Report {
  const all = files.map((file) => JSON.parse(readFileSync(file, 'utf8')) as Report);
  const [first] = all;
  if (first === undefined) throw new Error('no report is given');
  const lines = all.flatMap((report) => report.lines);
  return { ...first, lines, ratios: ratios(lines) };
}

function fenced(text: string): string {
  return `\`\`\`\n${text}\n\`\`\`\n`;
}
