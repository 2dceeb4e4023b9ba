/** `start` over what an earlier one has left: nothing new, older rows, other definitions. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { emptyFolder, millrace } from './millrace.ts';

const mapping = { format: 'csv', subject: 'who', time: { field: 'when', format: 'iso' } };

interface Folder {
  readonly data: string;
  start(file: string, ...more: string[]): Promise<Record<string, unknown>>;
  file(name: string, content: string | object): Promise<string>;
}

async function folder(): Promise<Folder> {
  const data = await emptyFolder();
  const file = async (name: string, content: string | object) => {
    const path = join(data, name);
    await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
    return path;
  };
  const named = await file('mapping.json', { ...mapping, class: { field: 'what' }, item: 'item' });
  const start = async (input: string, ...more: string[]) => {
    const options = ['--data', data, '--threads', '0', '--mapping', named, '--json', ...more];
    const { code, stdout, stderr } = await millrace('start', '--input', input, ...options);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    return JSON.parse(stdout) as Record<string, unknown>;
  };
  return { data, start, file };
}

test('a second start with nothing new shows what the first one showed', async () => {
  const { start, file } = await folder();
  const rows = [
    'who,when,what,item',
    'ann,2026-01-31T09:30:00Z,purchase,o1',
    'ann,2026-01-31T10:30:00Z,purchase,o2',
    'bob,2026-01-31T11:30:00Z,purchase,o3',
  ];
  const input = await file('rows.csv', rows.join('\n'));
  const shown = ({ at, subjects, top, bands, segments, lastChanges }: Record<string, unknown>) => {
    return { at, subjects, top, bands, segments, lastChanges };
  };
  const [first, second] = [await start(input), await start(input)];
  expect(first).toMatchObject({ continued: false, subjects: 2, bands: { cool: 2 } });
  expect(second['continued']).toBe(true);
  expect(shown(second)).toEqual(shown(first));
});

test('verify after a change of definition compares with the one that was in force', {
  timeout: 120_000,
}, async () => {
  const { data, start, file } = await folder();
  const rows = ['2026-09-01T10', '2026-09-01T11', '2026-09-03T11'].map(
    (day, i) => `ann,${day}:00:00Z,email_click,m${i}`,
  );
  const input = await file('rows.csv', ['who,when,what,item', ...rows].join('\n'));
  for (const version of [1, 2]) {
    const when = { count: { event: 'email_click', op: 'ge', n: 4 - version, within: '30d' } };
    const config = await file('config.json', { segments: [{ id: 'fans', version, when }] });
    await start(input, '--config', config);
  }
  const { code, stdout } = await millrace('verify', '--data', data);
  expect({ code, stdout }).toMatchObject({ code: 0 });
  expect(stdout).toContain('segment fans: 1 compared, 0 differing');
  expect(stdout).toContain('of 1 since the definition changed');
});

test('a row from the far future is refused alone, and verify leaves it out as the run did', {
  timeout: 240_000,
}, async () => {
  const { data, start, file } = await folder();
  const rows = [
    'who,when,what,item',
    'ann,2026-01-01T10:00:00Z,email_click,m1',
    'bob,2098-01-01T10:00:00Z,email_click,m1',
    'cid,2026-01-01T11:00:00Z,email_click,m1',
    'bob,2026-01-02T10:00:00Z,purchase,o1',
  ];
  const shown = await start(await file('rows.csv', rows.join('\n')));
  expect(shown).toMatchObject({ at: Date.UTC(2026, 0, 2, 10), subjects: 3 });
  const { code, stdout } = await millrace('verify', '--data', data);
  expect({ code, stdout }).toMatchObject({ code: 0 });
});
