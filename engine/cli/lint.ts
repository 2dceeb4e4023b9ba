/** `lint`: checks a configuration and says what each of its segments keeps of a subject. */
import { checkPersonalisation } from '../../topologies/personalisation.ts';
import { needed, reach } from '../../topologies/segments/evaluate.ts';
import { print, printJson, table } from './output.ts';
import { readConfig } from './start.ts';

export async function lint(file: string, options: { readonly json?: boolean }): Promise<void> {
  const { engagement, segments } = checkPersonalisation(await readConfig(file));
  const rows = segments.map(({ id, version, when }) => ({
    segment: id,
    version,
    newest: needed([when]),
    reach: reach([when]),
  }));
  if (options.json === true) {
    printJson({ channels: Object.keys(engagement.channels), segments: rows });
    return;
  }
  print(
    `${Object.keys(engagement.classes).length} scored classes, ${segments.length} segments: valid`,
  );
  print('');
  print(
    table(
      ['segment', 'version', 'keeps of each subject'],
      rows.map((row) => [row.segment, row.version, keptText(row.newest, row.reach)]),
    ),
  );
}

function keptText(
  newest: Readonly<Record<string, number>>,
  members: Readonly<Record<string, number>>,
): string {
  const parts = [
    ...Object.entries(newest).map(([name, n]) => `the ${n} newest instants of ${name}`),
    ...Object.entries(members).map(([name, ms]) => `every ${name} of the last ${duration(ms)}`),
  ];
  return parts.length === 0 ? 'nothing more than the score and traits' : parts.join('; ');
}

function duration(ms: number): string {
  const units: [number, string][] = [
    [86_400_000, 'd'],
    [3_600_000, 'h'],
    [60_000, 'min'],
    [1_000, 's'],
  ];
  const [size, unit] = units.find(([one]) => ms % one === 0) ?? [1, 'ms'];
  return `${ms / size} ${unit}`;
}
