/** The tutorial up to Kafka, followed from its first command to its last. */
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { emptyFolder } from '../process/millrace.ts';
import { blocksOf, Reader } from './follow.ts';

async function freePort(): Promise<string> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  await new Promise((done) => server.close(done));
  return String(typeof address === 'object' ? address?.port : address);
}

test('every command and file does what the page says', { timeout: 900_000 }, async () => {
  const port = await freePort();
  const folder = join(await emptyFolder(), 'orders');
  const reader = new Reader(folder, (command) => command.replaceAll('8080', port));
  onTestFinished(() => reader.close());
  const blocks = await blocksOf((heading) => !heading.includes('Kafka'));
  expect(blocks.length).toBeGreaterThan(30);
  await reader.follow(blocks);
});
