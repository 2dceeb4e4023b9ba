#!/usr/bin/env node
/**
 * `npm create millrace FOLDER`: makes a project from the template beside this file. It has no
 * dependencies.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { basename, dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';

const usageText = `usage: npm create millrace <folder> -- [--name <name>] [--millrace <version>]

  <folder>              is made; it must be empty or not be there; . is the current one
  --name <name>         of the package; default: made of the folder's name
  --millrace <version>  or path of a tarball, to depend on`;

/** Files that npm would leave out of a package, or read as its own, by the names they have here. */
const renamed = {
  _gitignore: '.gitignore',
  _dockerignore: '.dockerignore',
  '_package.json': 'package.json',
};

class Refused extends Error {}

/**
 * What is wrong with a name for a new package, by the rules of npm and pnpm; undefined for a valid
 * name.
 */
export function nameProblem(name) {
  if (name.length > 214) return 'has more than 214 characters';
  if (!/^(?:@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/.test(name)) {
    return 'may have a to z, 0 to 9, - . _ ~ only, behind an optional @scope/, and not begin with . or _';
  }
  if (['node_modules', 'favicon.ico', ...builtinModules].includes(name)) return 'is taken by Node';
  return undefined;
}

/** The valid name closest to that of a folder. */
export function nameOf(folder) {
  const plain = folder.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
  const name = plain
    .replace(/[^a-z0-9._~-]+/g, '-')
    .replace(/^[._-]+|-+$/g, '')
    .slice(0, 214);
  if (name === '') return 'my-stream';
  return nameProblem(name) === undefined ? name : `${name.slice(0, 207)}-stream`;
}

/** @throws Refused unless the folder is empty or missing. A new Git repository counts as empty. */
function checkEmpty(folder, given) {
  if (!existsSync(folder)) return;
  if (!statSync(folder).isDirectory()) throw new Refused(`${given} is a file: name a folder`);
  const found = readdirSync(folder).filter((name) => name !== '.git');
  if (found.length === 0) return;
  const shown = found.slice(0, 3).join(', ');
  throw new Refused(`${given} is not empty (it has ${shown}): name another folder, or empty it`);
}

/** A path is written relative to the project, as package managers expect it. */
function dependency(spec, folder) {
  const isFile = /\.(tgz|tar\.gz)$/.test(spec) && !/^[a-z]+:\/\//.test(spec);
  if (!isFile) return spec;
  const path = resolve(spec.replace(/^file:/, ''));
  if (!existsSync(path)) throw new Refused(`--millrace: there is no file ${spec}`);
  const near = relative(folder, path);
  return `file:${isAbsolute(near) ? path : near}`;
}

/** Writes the project; returns its files. */
export function createProject({ folder, name, millrace }) {
  const template = join(import.meta.dirname, 'template');
  const values = { name, millrace };
  const files = readdirSync(template, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(template, join(entry.parentPath, entry.name)))
    .sort();
  return files.map((file) => {
    const path = join(folder, renamed[file] ?? file);
    const text = readFileSync(join(template, file), 'utf8');
    mkdirSync(dirname(path), { recursive: true });
    const filled = text.replace(/\{\{(\w+)\}\}/g, (_, key) => values[key]);
    // A file that appeared meanwhile is not overwritten.
    writeFileSync(path, filled, { flag: 'wx' });
    return relative(folder, path);
  });
}

/** The name of the package manager that runs this. */
function manager() {
  const [, name = 'npm'] =
    /^(npm|pnpm|yarn|bun)\//.exec(process.env.npm_config_user_agent ?? '') ?? [];
  return name;
}

function main() {
  const { values, positionals } = argumentsOf(process.argv.slice(2));
  if (values.help) return process.stdout.write(`${usageText}\n`);
  const [given, ...more] = positionals;
  if (given === undefined || more.length > 0) throw new Refused(usageText);
  const folder = resolve(given);
  const name = values.name ?? nameOf(basename(folder));
  const problem = nameProblem(name);
  if (problem !== undefined) throw new Refused(`--name: ${JSON.stringify(name)} ${problem}`);
  const own = JSON.parse(readFileSync(join(import.meta.dirname, 'package.json'), 'utf8'));
  const millrace = dependency(values.millrace ?? own.version, folder);
  checkEmpty(folder, given);
  const files = createProject({ folder, name, millrace });
  const by = manager();
  const enter = folder === process.cwd() ? '' : `  cd ${relative(process.cwd(), folder)}\n`;
  process.stdout.write(`${name}: ${files.length} files in ${folder}\n\n${enter}`);
  process.stdout.write(`  ${by} install\n  ${by} test\n  ${by} run dev\n`);
}

function argumentsOf(args) {
  const options = {
    name: { type: 'string' },
    millrace: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  };
  try {
    return parseArgs({ args, options, allowPositionals: true });
  } catch (error) {
    throw new Refused(`${error.message}\n${usageText}`);
  }
}

try {
  main();
} catch (error) {
  const isRefused = error instanceof Refused;
  process.stderr.write(`error: ${error.message}\n`);
  process.exitCode = isRefused ? 2 : 1;
}
