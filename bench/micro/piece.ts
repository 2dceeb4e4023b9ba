/** What is timed: a piece of the engine's hot path, and the benchmark package around it. */
import Benchmark from 'benchmark';

export interface Piece {
  readonly name: string;
  /** Operations a call; many, since a call costs some microseconds of its own. */
  readonly per: number;
  run(): void | Promise<void>;
  /** When it is timed. */
  close?(): void | Promise<void>;
}

export interface MicroResult {
  readonly piece: string;
  readonly nanoseconds: number;
  /** Relative margin of error, percent. */
  readonly spread: number;
}

/** What is computed ends here, so that nothing is optimised away. */
let sink = 0;

export function use(value: number): void {
  sink += value;
}

export async function timed({ name, per, run, close }: Piece): Promise<MicroResult> {
  const benchmark = new Benchmark(name, {
    defer: true,
    fn: (deferred: { resolve(): void }) => {
      const running = run();
      if (running === undefined) deferred.resolve();
      else running.then(() => deferred.resolve());
    },
  });
  await new Promise<void>((done) => {
    benchmark.on('complete', () => done());
    benchmark.run({ async: true });
  });
  await close?.();
  if (!Number.isFinite(sink)) throw new Error('the pieces compute nothing');
  const { mean, rme } = benchmark.stats;
  return { piece: name, nanoseconds: (mean * 1e9) / per, spread: rme };
}
