/** The commands of docs/SOURCES.md, as they stand there, against a running gateway. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { mistakesInSources } from '../../engine/connect/pull/spec.ts';
import { checkGateway } from '../../topologies/gateway/gateway-config.ts';
import { providers } from '../../topologies/gateway/webhooks/providers.ts';
import { startGateway } from '../gateway/running.ts';

const page = join(import.meta.dirname, '../../docs/SOURCES.md');

test('every curl line answers as the page says', async () => {
  const text = await readFile(page, 'utf8');
  const lines = [...text.matchAll(/^ {4}(curl .*)$/gm)].map(([, line]) => line as string);
  expect(lines).toHaveLength(3);
  const gateway = await startGateway();
  const run = async (line: string) => {
    const here = line.replace('http://127.0.0.1:8080', gateway.url);
    const { stdout } = await promisify(execFile)('bash', ['-c', `${here} -s -w ' %{http_code}'`]);
    return stdout;
  };
  const [event = '', batch = '', question = ''] = lines;
  expect(await run(event)).toBe('{"accepted":1,"skipped":0} 202');
  expect(await run(batch)).toBe('{"accepted":1,"skipped":0} 202');
  // The events are durable, and processed a moment later.
  let answer = '';
  for (let i = 0; i < 200 && !answer.endsWith(' 200'); i++) answer = await run(question);
  expect(answer).toContain('"subject":"ann"');
});

test('the configurations of the page are valid, and every provider is listed', async () => {
  const text = await readFile(page, 'utf8');
  const configurations = [...text.matchAll(/```json\n([\s\S]*?)```/g)].map(([, json]) =>
    (json as string).replace('<SHA-256 of the key>', '0'.repeat(64)),
  );
  expect(configurations.length).toBeGreaterThanOrEqual(3);
  for (const json of configurations) {
    const { sources = {}, ...gateway } = JSON.parse(json);
    checkGateway(gateway);
    expect(mistakesInSources(sources)).toEqual([]);
  }
  for (const provider of providers.keys()) expect(text).toContain(`\`${provider}\``);
});
