/** The dead letters of an application. */
import { deadLetterTopic, decodeHeaders, type Log } from 'millrace/engine';

export interface Letter {
  readonly offset: number;
  readonly stage: string;
  readonly reason: string;
  /** The file or topic that it came from. */
  readonly origin: string;
  /** The refused data, as text. */
  readonly text: string;
}

export async function lettersOf(log: Log, application: string): Promise<Letter[]> {
  const at = { topic: deadLetterTopic(application), partition: 0 };
  const letters: Letter[] = [];
  for (let from = await log.startOffset(at); ; ) {
    const batch = await log.read(at, from, { records: 10_000 });
    if (batch === undefined) return letters;
    for (let i = 0; i < batch.count; i++) {
      const { stage = '', reason = '', topic: origin = '' } = decodeHeaders(batch.headerBytes(i));
      const text = batch.value(i)?.toString() ?? '';
      letters.push({ offset: batch.offsets[i] as number, stage, reason, origin, text });
    }
    from = batch.nextOffset;
  }
}
