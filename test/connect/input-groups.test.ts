/**
 * `--input` with its `--mapping`, `--topic`, `--key`, `--time`: which belongs to which, by their
 * order.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { Command } from 'commander';
import { expect, test } from 'vitest';
import { inputFiles } from '../../engine/cli/input-files.ts';
import { inputGroups, inputOptions } from '../../engine/cli/input-groups.ts';
import { emptyFolder } from '../process/millrace.ts';

function groupsOf(text: string) {
  const { tokens, option } = inputOptions();
  const command = new Command().exitOverride().allowExcessArguments();
  command.addOption(option('input', '--input <path...>', ''));
  command.addOption(option('mapping', '--mapping <name>', ''));
  command.addOption(option('topic', '--topic <name>', ''));
  command.addOption(option('key', '--key <field>', ''));
  command.addOption(option('time', '--time <field>', ''));
  command.addOption(option('timeFormat', '--time-format <format>', ''));
  command.parse(text.split(' '), { from: 'user' });
  return inputGroups(tokens);
}

test.each([
  ['--input a b --mapping m', [{ inputs: ['a', 'b'], mapping: 'm' }]],
  ['--input a --input b --mapping m', [{ inputs: ['a', 'b'], mapping: 'm' }]],
  ['--mapping m --input a --input b', [{ inputs: ['a', 'b'], mapping: 'm' }]],
  ['--input a --mapping m --input b', [{ inputs: ['a', 'b'], mapping: 'm' }]],
  [
    '--input a --mapping m --input b --mapping n',
    [
      { inputs: ['a'], mapping: 'm' },
      { inputs: ['b'], mapping: 'n' },
    ],
  ],
  [
    '--mapping m --input a --mapping n --input b',
    [
      { inputs: ['a'], mapping: 'm' },
      { inputs: ['b'], mapping: 'n' },
    ],
  ],
  [
    '--input a --topic a --key k --time t --input b --topic b',
    [
      { inputs: ['a'], topic: 'a', key: 'k', time: 't' },
      { inputs: ['b'], topic: 'b', key: 'k', time: 't' },
    ],
  ],
  [
    '--topic a --input a --key k --time t --topic b --input b --key j --time-format epoch-s',
    [
      { inputs: ['a'], topic: 'a', key: 'k', time: 't' },
      { inputs: ['b'], topic: 'b', key: 'j', time: 't', timeFormat: 'epoch-s' },
    ],
  ],
  [
    '--input a --topic t --mapping m --input b --topic u --mapping n',
    [
      { inputs: ['a'], topic: 't', mapping: 'm' },
      { inputs: ['b'], topic: 'u', mapping: 'n' },
    ],
  ],
  [
    '--input a --mapping m --input b --topic t --key k --time t --input c --mapping m',
    [
      { inputs: ['a', 'c'], mapping: 'm' },
      { inputs: ['b'], topic: 't', key: 'k', time: 't' },
    ],
  ],
  ['--mapping sample', [{ inputs: [], mapping: 'sample' }]],
])('%s', (text, expected) => {
  expect(groupsOf(text)).toEqual(expected);
});

test('standard input is read once only', () => {
  expect(() => groupsOf('--input - --mapping m --input - --mapping n')).toThrow('once only');
});

test('folders, patterns, files given twice, and what is passed over', async () => {
  const folder = await emptyFolder();
  await mkdir(join(folder, 'inner.csv'));
  for (const name of ['b.csv', 'a.jsonl.gz', 'x.txt', 'log.1', 'log.2', '.hidden']) {
    await writeFile(join(folder, name), '');
  }
  const said: string[] = [];
  const names = async (...inputs: string[]) =>
    (await inputFiles(inputs, (text) => said.push(text))).map((one) =>
      one === '-' ? one : relative(folder, one),
    );
  expect(await names(folder)).toEqual(['a.jsonl.gz', 'b.csv']);
  expect(said).toEqual([`passed over in ${folder}: log.1, log.2, x.txt`]);
  expect(await names(join(folder, 'log.?'), join(folder, 'log.1'), '-')).toEqual([
    'log.1',
    'log.2',
    '-',
  ]);
  await expect(names(join(folder, '*.xml'))).rejects.toThrow('no file fits this pattern');
  await expect(names(join(folder, 'none.csv'))).rejects.toThrow('none.csv');
});
