/** One broker for all test files of a run, which run in processes of their own. */
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { inject } from 'vitest';
import { BrokerClient } from './broker.ts';
import { type Answer, mustRun, type Question } from './questions.ts';

/**
 * False when this machine cannot run a broker, for `describe.skipIf`; the run says why, once. In
 * continuous integration (CI is set) that is an error instead.
 */
export async function kafkaAvailable(): Promise<boolean> {
  const answer = await ask('problem');
  if (!('problem' in answer)) return true;
  if (mustRun())
    throw new Error(`the suites that need a Kafka broker cannot run: ${answer.problem}`);
  return false;
}

/**
 * The broker of this run, started when nobody asked before. Name topics and groups after your test.
 */
export async function sharedBroker(): Promise<BrokerClient> {
  const answer = await ask('broker');
  if ('address' in answer) return new BrokerClient(answer.address, answer.internal);
  throw new Error(`no shared broker: ${'failure' in answer ? answer.failure : 'no answer'}`);
}

async function ask(question: Question): Promise<Answer> {
  const socket = connect({ path: inject('kafkaSocket'), allowHalfOpen: true });
  socket.end(question);
  return JSON.parse(await text(socket)) as Answer;
}
