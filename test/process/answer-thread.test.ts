import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { AnswerThread } from '../../engine/thread/answer-thread.ts';

const limits = { queue: 4, most: 60_000, memory: 64 };

async function withModule(text: string, use: (thread: AnswerThread) => Promise<void>) {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-answer-'));
  const module = join(folder, 'answers.mjs');
  await writeFile(module, text);
  const thread = new AnswerThread(pathToFileURL(module), limits);
  try {
    await use(thread);
  } finally {
    await thread.close();
    await rm(folder, { recursive: true, force: true });
  }
}

const ask = (thread: AnswerThread, question: unknown) =>
  thread.ask(question, [], new AbortController().signal);

test('a thread that fails between two questions ends neither the process nor the next question', async () => {
  const text = `export default (question) => {
    if (question === 'fail later') setImmediate(() => { throw new Error('later'); });
    return { value: { question } };
  };`;
  await withModule(text, async (thread) => {
    expect(await ask(thread, 'fail later')).toEqual({ question: 'fail later' });
    // The thread is gone, or about to be: a question that it had already is given up.
    for (let tries = 0; tries < 100; tries++) {
      const answer = await ask(thread, tries).catch((error: unknown) => error);
      if (!(answer instanceof Error)) return expect(answer).toEqual({ question: tries });
      expect(answer.message).toContain('later');
    }
    expect.fail('no question was answered again');
  });
});

test('a thread that cannot start is told to who asks', async () => {
  await withModule('throw new Error("cannot begin");', async (thread) => {
    for (const question of [1, 2]) {
      await expect(ask(thread, question)).rejects.toMatchObject({
        code: 'QUESTION_TOO_LARGE',
        message: expect.stringContaining('cannot begin'),
      });
    }
  });
});

test('sources are loaded wherever the process was started', async () => {
  const before = process.cwd();
  const thread = new AnswerThread(
    new URL('../../topologies/app/questions/question-worker.ts', import.meta.url),
    limits,
  );
  process.chdir(tmpdir());
  try {
    const question = { kind: 'lint', config: {} };
    expect(await ask(thread, question)).toBeTypeOf('object');
  } finally {
    process.chdir(before);
    await thread.close();
  }
});
