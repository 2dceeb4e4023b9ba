/** Single faults of a disk: what may happen to one file, or to two. */
import { readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { randomBelow, type SeededRandom } from '../../engine/base/random.ts';

export type Fault =
  | { readonly kind: 'flip'; readonly file: string; readonly at: number; readonly bit: number }
  | { readonly kind: 'zero'; readonly file: string; readonly at: number; readonly length: number }
  | { readonly kind: 'truncate'; readonly file: string; readonly to: number }
  | { readonly kind: 'delete'; readonly file: string }
  | { readonly kind: 'swap'; readonly file: string; readonly with: string }
  | { readonly kind: 'copy'; readonly file: string; readonly from: string };

interface FoundFile {
  readonly path: string;
  readonly size: number;
}

const page = 4_096;
/** The database's diary, and names that it makes anew: they hold no data. */
const without = /(^|\/)(LOG(\.old.*)?|LOCK)$/;

export async function filesOf(folder: string): Promise<FoundFile[]> {
  const found: FoundFile[] = [];
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = relative(folder, join(entry.parentPath, entry.name));
    if (!entry.isFile() || without.test(path)) continue;
    found.push({ path, size: (await stat(join(folder, path))).size });
  }
  return found.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** What a file is: its ending or its name, without numbers. */
function kindOf({ path }: FoundFile): string {
  return path.replace(/^.*\//, '').replace(/\d+/g, '');
}

/** Whose file a fault hits, and what the file is: `log *.sst`, `state MANIFEST-*`. */
export function placeOf({ file }: Fault): string {
  return `${file.split('/')[0]} ${file.replace(/^.*\//, '').replace(/\d+/g, '*')}`;
}

/** A fault of a file, each kind of file as often as another. */
export function randomFault(random: SeededRandom, files: readonly FoundFile[]): Fault {
  const kinds = [...new Set(files.map(kindOf))].sort();
  const kind = kinds[randomBelow(random, kinds.length)];
  const some = files.filter((file) => kindOf(file) === kind);
  const { path: file, size } = some[randomBelow(random, some.length)] as FoundFile;
  const chance = randomBelow(random, 20);
  const others = some.filter((other) => other.path !== file);
  const other = others[randomBelow(random, Math.max(1, others.length))];
  if (chance < 2 && other !== undefined) return { kind: 'swap', file, with: other.path };
  if (chance < 3 && other !== undefined) return { kind: 'copy', file, from: other.path };
  if (chance < 4 || size === 0) return { kind: 'delete', file };
  if (chance < 7) return { kind: 'truncate', file, to: randomBelow(random, size) };
  if (chance < 10) {
    const at = page * randomBelow(random, Math.ceil(size / page));
    return { kind: 'zero', file, at, length: Math.min(page, size - at) };
  }
  return { kind: 'flip', file, at: randomBelow(random, size), bit: randomBelow(random, 8) };
}

export async function inflict(folder: string, fault: Fault): Promise<void> {
  const path = join(folder, fault.file);
  switch (fault.kind) {
    case 'delete':
      return rm(path);
    case 'swap': {
      const other = join(folder, fault.with);
      await rename(path, `${path}.swap`);
      await rename(other, path);
      return rename(`${path}.swap`, other);
    }
    case 'copy':
      return writeFile(path, await readFile(join(folder, fault.from)));
    default: {
      const bytes = await readFile(path);
      if (fault.kind === 'truncate') return writeFile(path, bytes.subarray(0, fault.to));
      if (fault.kind === 'zero') bytes.fill(0, fault.at, fault.at + fault.length);
      else bytes[fault.at] = (bytes[fault.at] as number) ^ (1 << fault.bit);
      return writeFile(path, bytes);
    }
  }
}
