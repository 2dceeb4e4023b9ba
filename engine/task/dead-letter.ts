/**
 * The dead-letter record: key and value are the unchanged bytes of the source; the headers say
 * where it came from, which step refused it and why, and include the record's own headers
 * (record/letter-headers.ts).
 */
import { authorFrame } from '../base/call-site.ts';
import { messageOf, stackText } from '../base/errors.ts';
import { deadLetterTopic } from '../graph/topic-names.ts';
import type { BatchBuilder } from '../record/batch.ts';
import { letterHeaders } from '../record/letter-headers.ts';
import type { Failure } from './failure.ts';
import type { Outputs } from './outputs.ts';
import type { RecordPlace } from './suspended.ts';

export interface DeadLetterOrigin {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: number;
}

/** The failed unit. */
export interface DeadLetterSource {
  /** Undefined for a timer or a result that time released. */
  readonly record: Pick<RecordPlace, 'batch' | 'index'> | undefined;
  /** Id of its key, if there is no record. */
  readonly keyText: string;
  readonly origin: DeadLetterOrigin;
}

/** Returns the batch to which it was added. */
export function writeDeadLetter(
  outputs: Outputs,
  application: string,
  failure: Failure,
  { record, keyText, origin }: DeadLetterSource,
): BatchBuilder {
  const { batch, index } = record ?? { batch: undefined, index: 0 };
  return outputs.writeRaw(
    deadLetterTopic(application),
    batch?.key(index) ?? (record === undefined ? Buffer.from(keyText, 'latin1') : null),
    batch?.value(index) ?? null,
    Math.max(0, batch?.timestamps[index] ?? 0),
    headersOf(origin, failure, batch?.headerBytes(index)),
  );
}

function headersOf(
  origin: DeadLetterOrigin,
  { stage, step, callSite, error }: Failure,
  record: Uint8Array | undefined,
): Buffer {
  const frame = authorFrame(stackText(error) ?? '');
  const own = {
    stage,
    step,
    reason: shortened(messageOf(error)),
    callSite: frame ?? callSite,
    topic: origin.topic,
    partition: String(origin.partition),
    offset: String(origin.offset),
    timestamp: String(origin.timestamp),
  };
  return letterHeaders(own, record);
}

/** Maximal length of a reason, in code units, because logs limit the size of records. */
const reasonMost = 4_000;

function shortened(reason: string): string {
  return reason.length <= reasonMost ? reason : `${reason.slice(0, reasonMost)} ...`;
}
