/**
 * `--input` and its options: several groups of `--input`, `--mapping`, `--topic`, `--key`, `--time`
 * and `--time-format`, separated by their order on the command line.
 */
import { Option } from 'commander';
import { MillraceError } from '../base/errors.ts';
import { standardInput } from '../connect/content.ts';

export interface InputGroup {
  /** As given: files, folders, patterns, '-'. */
  readonly inputs: readonly string[];
  readonly mapping?: string;
  readonly topic?: string;
  readonly key?: string;
  readonly time?: string;
  readonly timeFormat?: string;
}

type Name = 'input' | 'mapping' | 'topic' | 'key' | 'time' | 'timeFormat';

export interface InputToken {
  readonly name: Name;
  readonly value: string;
}

/**
 * Options that record their order on the command line. They share one list: create them with one
 * call per command, and read `tokens` when the command runs.
 */
export function inputOptions(): {
  readonly tokens: InputToken[];
  option(name: Name, flags: string, about: string): Option;
} {
  const tokens: InputToken[] = [];
  const option = (name: Name, flags: string, about: string) =>
    new Option(flags, about).argParser((value: string) => {
      tokens.push({ name, value });
      return value;
    });
  return { tokens, option };
}

interface Growing {
  inputs: string[];
  told: Partial<Record<Name, string>>;
}

/**
 * The groups. A new group starts with an option that the current one already has, and with
 * `--input` after another option of a group that has input. A group inherits missing options from
 * the previous one. Groups that differ only in their input are merged. Throws USAGE if standard
 * input is given twice.
 */
export function inputGroups(tokens: readonly InputToken[]): InputGroup[] {
  const groups: Growing[] = [];
  let last: Name | undefined;
  for (const { name, value } of tokens) {
    const current = groups.at(-1);
    const begins =
      current === undefined ||
      (name === 'input'
        ? current.inputs.length > 0 && last !== 'input'
        : current.told[name] !== undefined);
    const group = begins ? { inputs: [], told: {} } : current;
    if (begins) groups.push(group);
    if (name === 'input') group.inputs.push(value);
    else group.told[name] = value;
    last = name;
  }
  const twice = groups.flatMap(({ inputs }) => inputs).filter((one) => one === standardInput);
  if (twice.length > 1) {
    throw new MillraceError('USAGE', { problem: 'standard input (-) can be read once only' });
  }
  return merged(inherited(groups));
}

function inherited(groups: readonly Growing[]): InputGroup[] {
  let told: Growing['told'] = {};
  return groups.map((group) => {
    told = following(told, group.told);
    return { inputs: group.inputs, ...told };
  });
}

/** A mapping determines everything. Without one, missing fields of key and time are inherited. */
function following(before: Growing['told'], told: Growing['told']): Growing['told'] {
  if (Object.keys(told).length === 0) return before;
  const isOther = told.mapping !== undefined || before.mapping !== undefined;
  return isOther ? told : { ...before, ...told };
}

function merged(groups: readonly InputGroup[]): InputGroup[] {
  const found = new Map<string, InputGroup>();
  for (const group of groups) {
    const { inputs, mapping, topic, key, time, timeFormat } = group;
    const id = JSON.stringify([mapping, topic, key, time, timeFormat]);
    const same = found.get(id);
    found.set(id, same === undefined ? group : { ...same, inputs: [...same.inputs, ...inputs] });
  }
  return [...found.values()];
}
