/** The topology of a run, for workers; what it is comes by the environment. */
import type { Format } from './event-formats.ts';
import { type JobName, jobTopology } from './jobs.ts';

const {
  BENCH_JOB = 'map',
  BENCH_INPUT = 'events',
  BENCH_OUTPUT = 'out',
  BENCH_FORMAT = 'json',
} = process.env;
export default jobTopology(BENCH_JOB as JobName, BENCH_INPUT, BENCH_OUTPUT, BENCH_FORMAT as Format);
