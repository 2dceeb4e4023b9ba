/**
 * `npm run release -- VERSION` sets the version, closes the changelog, checks the package, commits
 * and tags. It pushes and publishes nothing; it prints the remaining commands.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');

/** `npm create millrace`; the project that it makes depends on the version of the creator. */
const creator = 'packages/create-millrace';

/** The numbers of a version; undefined for other text. Pre-releases are not supported. */
export function versionOf(text: string): readonly number[] | undefined {
  const numbers = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)$/.exec(text)?.slice(1);
  return numbers?.map(Number);
}

/** @throws Error unless `next` is one step after `current`: a patch, a minor or a major version */
export function checkNext(current: string, next: string): void {
  const [from, to] = [versionOf(current), versionOf(next)];
  if (from === undefined) throw new Error(`package.json has no plain version: ${current}`);
  if (to === undefined) throw new Error(`${next} is no version such as 1.2.3`);
  const [major = 0, minor = 0, patch = 0] = from;
  const steps = [`${major}.${minor}.${patch + 1}`, `${major}.${minor + 1}.0`, `${major + 1}.0.0`];
  if (!steps.includes(next)) {
    throw new Error(`${next} does not follow ${current}: it may be ${steps.join(', ')}`);
  }
}

/**
 * The changelog with its unreleased part under the version.
 * @param date ISO 8601, e.g. 2026-01-31
 * @throws Error when nothing is unreleased
 */
export function changelogOf(text: string, version: string, date: string): string {
  const [, head = '', rest = ''] = /^([\s\S]*?^## Unreleased\n)([\s\S]*)$/m.exec(text) ?? [];
  if (head === '') throw new Error("CHANGELOG.md has no heading '## Unreleased'");
  const end = /^## /m.exec(rest)?.index ?? rest.length;
  const body = rest.slice(0, end).trim();
  if (body === '') throw new Error('CHANGELOG.md has nothing under Unreleased');
  const after = rest.slice(end);
  return `${head}\n## ${version} (${date})\n\n${body}\n${after === '' ? '' : `\n${after}`}`;
}

function run(command: string, ...args: readonly string[]): string {
  return execFileSync(command, [...args], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  }).trim();
}

/** Packs the package and checks its exports; deletes the packed file. */
function checkPackage(): void {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-release-'));
  try {
    const [packed] = JSON.parse(run('npm', 'pack', '--json', '--pack-destination', folder)) as [
      { readonly filename: string },
    ];
    const file = join(folder, packed.filename);
    console.log(run('npx', '--yes', 'publint@0.3.25', 'run', file, '--strict'));
    // Only ESM is checked: the package has no CommonJS entry, and Node says so itself.
    console.log(run('npx', '--yes', '@arethetypeswrong/cli@0.18.5', file, '--profile', 'esm-only'));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function release(version: string | undefined): void {
  if (version === '--check') {
    checkPackage();
    return;
  }
  const manifest = readFileSync(join(root, 'package.json'), 'utf8');
  const { version: current } = JSON.parse(manifest) as { readonly version: string };
  checkNext(current, version ?? '');
  if (run('git', 'status', '--porcelain') !== '') throw new Error('commit or stash first');
  const date = new Date().toISOString().slice(0, 10);
  const changelog = join(root, 'CHANGELOG.md');
  const text = changelogOf(readFileSync(changelog, 'utf8'), version as string, date);
  run('npm', 'run', 'check');
  checkPackage();
  run('npm', 'version', version as string, '--no-git-tag-version');
  run('npm', '--prefix', creator, 'version', version as string, '--no-git-tag-version');
  writeFileSync(changelog, text);
  run('git', 'commit', '--all', '--message', `release: ${version}`);
  run('git', 'tag', '--annotate', `v${version}`, '--message', `Millrace ${version}`);
  console.log(`v${version} is tagged here. To publish it:`);
  console.log(`  git push origin HEAD v${version}\n  npm publish\n  npm publish ./${creator}`);
}

if (process.argv[1] === import.meta.filename) {
  try {
    release(process.argv[2]);
  } catch (error) {
    console.error((error as Error).message);
    process.exitCode = 1;
  }
}
