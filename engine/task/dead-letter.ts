/**
 * The dead-letter record: key and value are the source's bytes, untouched; headers say where it came
 * from, which step refused it and why.
 */
import { authorFrame } from '../base/call-site.ts';
import { messageOf } from '../base/errors.ts';
import type { FailureStage } from '../base/events.ts';
import { encodeHeaders } from '../record/headers.ts';

export interface DeadLetterOrigin {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: number;
}

export function deadLetterHeaders(
  origin: DeadLetterOrigin,
  stage: FailureStage,
  step: string,
  callSite: string,
  error: unknown,
): Buffer {
  const frame = error instanceof Error ? authorFrame(error.stack ?? '') : undefined;
  return encodeHeaders({
    stage,
    step,
    reason: messageOf(error),
    callSite: frame ?? callSite,
    topic: origin.topic,
    partition: String(origin.partition),
    offset: String(origin.offset),
    timestamp: String(origin.timestamp),
  });
}
