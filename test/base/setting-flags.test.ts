/** Errors name settings as the API does; the command line shows its flags. */
import { expect, test } from 'vitest';
import { errorCatalogue } from '../../engine/base/errors.ts';
import { addEngineCommands, commandLine } from '../../engine/cli/command-program.ts';
import { inFlags, settingFlags } from '../../engine/cli/setting-flags.ts';
import { application } from '../../topologies/app/application.ts';

const texts = Object.values(errorCatalogue).flatMap(({ message, remedy }) => [message, remedy]);
const named = texts.flatMap((text) =>
  [...text.matchAll(/\boption `(\w+)`/g)].map(([, name]) => name),
);

test('each setting that the catalogue names has a flag', () => {
  expect(named.length).toBeGreaterThan(5);
  expect(named.filter((name) => settingFlags[name as string] === undefined)).toEqual([]);
});

test('no text of the catalogue names a flag of the command line', () => {
  // Whole commands, in quotes or of npm, are the same for everyone.
  const prose = texts.map((text) => text.replace(/`[^`]*`|npm install [^:]*/g, ''));
  const flagged = prose.filter((text) => /--[a-z]/.test(text));
  expect(flagged).toEqual([]);
});

test('each flag is one of a command', () => {
  const program = commandLine();
  addEngineCommands(program, application);
  const commands = [program, ...program.commands];
  const flags = new Set(commands.flatMap(({ options }) => options.map(({ long }) => long)));
  const known = Object.values(settingFlags).map((flag) => flag.split(' ')[0] as string);
  expect(known.filter((flag) => !flags.has(flag))).toEqual([]);
});

test('a text is shown with flags; an unknown option stays as it is', () => {
  expect(inFlags('go on (option `onOffsetLost` earliest), option `other`')).toBe(
    'go on (--on-offset-lost earliest), option `other`',
  );
});
