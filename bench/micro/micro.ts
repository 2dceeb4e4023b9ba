/** The pieces on the hot path, folder by folder of engine/: nanoseconds an operation. */
import { type MicroResult, timed } from './piece.ts';
import { recordPieces } from './record.ts';
import { serdePieces } from './serde.ts';
import { statePieces } from './state.ts';
import { storagePieces } from './storage.ts';
import { taskPieces } from './task.ts';
import { threadPieces } from './thread.ts';

export async function micro(): Promise<MicroResult[]> {
  const pieces = [
    ...recordPieces(),
    ...serdePieces(),
    ...statePieces(),
    ...(await storagePieces()),
    ...(await taskPieces()),
    ...threadPieces(),
  ];
  const results: MicroResult[] = [];
  for (const piece of pieces) results.push(await timed(piece));
  return results;
}
