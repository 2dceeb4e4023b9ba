/** A peer in Java: built once by Maven, in its own folder, of the sources as they are. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** @param folder of the peer's pom.xml */
export class MavenPeer {
  readonly #folder: string;
  readonly #jars: string;
  /** What Java finds the peer's classes by. */
  readonly classPath: string;

  constructor(folder: string) {
    this.#folder = folder;
    this.#jars = join(folder, 'target', 'jars');
    this.classPath = `${join(folder, 'target', 'classes')}:${this.#jars}/*`;
  }

  /** Builds it. Answers why it cannot run here; undefined when it can. */
  missing(): string | undefined {
    if (spawnSync('java', ['-version']).status !== 0) return 'Java is not installed';
    if (spawnSync('mvn', ['-v']).status !== 0) return 'Maven is not installed';
    this.#build();
    return undefined;
  }

  get #isBuilt(): boolean {
    const main = join(this.#folder, 'target', 'classes', 'peer', 'Peer.class');
    if (!existsSync(main) || !existsSync(this.#jars)) return false;
    const sources = join(this.#folder, 'src', 'main', 'java', 'peer');
    const files = [
      join(this.#folder, 'pom.xml'),
      ...readdirSync(sources).map((name) => join(sources, name)),
    ];
    return files.every((file) => statSync(file).mtimeMs <= statSync(main).mtimeMs);
  }

  #build(): void {
    if (this.#isBuilt) return;
    const goals = ['clean', 'compile', 'dependency:copy-dependencies'];
    const args = ['-q', '-B', ...goals, `-DoutputDirectory=${this.#jars}`];
    const given = { cwd: this.#folder, encoding: 'utf8' } as const;
    const { status, stdout, stderr } = spawnSync('mvn', args, given);
    if (status !== 0) throw new Error(`${this.#folder} cannot be built: ${stdout}${stderr}`);
  }
}
