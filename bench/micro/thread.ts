/** engine/thread: a batch handed over to a worker and back, by transfer of its buffer. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { type Piece, use } from './piece.ts';
import { batchOfMany, many } from './record.ts';

const echo = `
  const { parentPort } = require('node:worker_threads');
  parentPort.on('message', (image) => parentPort.postMessage(image, [image]));
`;

export function threadPieces(): Piece[] {
  const worker = new Worker(echo, { eval: true });
  let { image } = batchOfMany();
  return [
    {
      name: 'hand-over: a record of a batch of 1 000, there and back',
      per: many,
      run: async () => {
        worker.postMessage(image, [image]);
        [image] = (await once(worker, 'message')) as [ArrayBuffer];
        use(image.byteLength);
      },
      close: async () => {
        await worker.terminate();
      },
    },
  ];
}
