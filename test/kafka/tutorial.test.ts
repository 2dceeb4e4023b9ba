/** The part of the tutorial that is on Kafka, on a real broker. */
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { emptyFolder } from '../process/millrace.ts';
import { blocksOf, Reader } from '../tutorial/follow.ts';
import { kafkaAvailable, sharedBroker } from './shared.ts';

describe.skipIf(!(await kafkaAvailable()))('the tutorial on Kafka', () => {
  test('does what the page says', { timeout: 900_000 }, async () => {
    const { address } = await sharedBroker();
    const reader = new Reader(join(await emptyFolder(), 'orders'), (command) => {
      // Other tests have topics of these names.
      const own = command.replaceAll('localhost:9092', address);
      return own.replaceAll('--topic orders', '--topic tutorial-orders');
    });
    onTestFinished(() => reader.close());
    const all = await blocksOf((heading) => /^## [148]\./.test(heading));
    const made = all.filter(({ kind }) => kind === 'sh project' || kind === 'ts');
    const kafka = await blocksOf((heading) => heading.includes('Kafka'));
    expect(kafka.length).toBeGreaterThan(4);
    const renamed = made.map(({ kind, text }) => {
      return { kind, text: text.replace(/topic<(.*)>\('/g, "topic<$1>('tutorial-") };
    });
    await reader.follow([...renamed, ...kafka]);
  });
});
