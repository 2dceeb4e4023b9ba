/**
 * The main process's side of the shared broker: it starts the broker when the first test file asks
 * for it, and stops it when the run is over.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { type Broker, startBroker } from './broker.ts';
import { kafkaProblem } from './jars.ts';
import { type Answer, mustRun, type Question } from './questions.ts';

/** Vitest's global setup. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  let problem: Promise<string | undefined> | undefined;
  let broker: Promise<Broker> | undefined;
  const answer = async (question: Question): Promise<Answer> => {
    if (question === 'problem') {
      problem ??= sayProblem();
      const found = await problem;
      return found === undefined ? {} : { problem: found };
    }
    broker ??= startBroker();
    const { address, internal } = await broker;
    return { address, internal };
  };
  // A folder of its own: a run that was killed leaves its socket behind, and process ids come
  // again.
  const folder = await mkdtemp(join(tmpdir(), 'millrace-kafka-'));
  const path = join(folder, 'socket');
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    // A question is one small chunk.
    socket.once('data', (question: Buffer) => {
      void answer(question.toString() as Question)
        .catch((error: unknown) => ({ failure: String(error) }))
        .then((found) => socket.end(JSON.stringify(found)));
    });
  });
  await new Promise<void>((done, fail) => server.once('error', fail).listen(path, done));
  project.provide('kafkaSocket', path);
  return async () => {
    await new Promise((done) => server.close(done));
    await rm(folder, { recursive: true, force: true });
    await (await broker?.catch(() => undefined))?.stop('SIGKILL');
  };
}

async function sayProblem(): Promise<string | undefined> {
  const problem = await kafkaProblem();
  if (problem !== undefined && !mustRun()) {
    process.stderr.write(`The suites that need a Kafka broker are skipped: ${problem}.\n`);
  }
  return problem;
}
