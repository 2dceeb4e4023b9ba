/** The complete files of a folder, in the order of their names. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../../base/clock.ts';
import { messageOf } from '../../../base/errors.ts';
import { unavailable } from '../puller.ts';
import { type FileStore, type FoundFile, fitting, type LocalFile } from './files-puller.ts';
import type { FolderSpec } from './files-spec.ts';

const stableSeconds = 5;

export class FolderStore implements FileStore {
  readonly byTime = false;
  readonly #source: string;
  readonly #spec: FolderSpec;
  readonly #clock: Clock;

  constructor(source: string, spec: FolderSpec, clock: Clock) {
    this.#source = source;
    this.#spec = spec;
    this.#clock = clock;
  }

  async list(): Promise<readonly FoundFile[]> {
    const { path, pattern, complete = { by: 'stable' } } = this.#spec;
    let names: string[];
    try {
      names = await readdir(path);
    } catch (error) {
      throw unavailable(this.#source, `folder ${path}: ${messageOf(error)}`);
    }
    const there = new Set(names);
    const suffix = complete.by === 'marker' ? (complete.suffix ?? '.done') : undefined;
    const fits = fitting(pattern);
    const files: FoundFile[] = [];
    for (const name of names.filter(fits).sort()) {
      if (suffix !== undefined && (name.endsWith(suffix) || !there.has(name + suffix))) continue;
      const file = join(path, name);
      // It may be gone by now.
      const found = await stat(file, { bigint: true }).catch(() => undefined);
      if (found?.isFile() !== true) continue;
      const at = Number(found.mtimeMs);
      const ageMs = this.#clock.now() - at;
      if (complete.by === 'stable' && ageMs < (complete.seconds ?? stableSeconds) * 1_000) continue;
      files.push({ name, mark: `${found.size} ${found.mtimeNs} ${found.ino}`, at, place: file });
    }
    return files;
  }

  async fetch({ place }: FoundFile): Promise<LocalFile> {
    return { path: place, release: async () => {} };
  }

  /** A new file may have any time, so everything listed is remembered. */
  forgetsBefore(): undefined {
    return undefined;
  }

  async close(): Promise<void> {}
}
