/**
 * Answers to refused requests: one status and one sentence for each kind of fault, without
 * internals, and a reason from a closed list for the metric.
 */
import type { FastifyReply } from 'fastify';
import { isMillraceError, type MillraceError } from 'millrace';
import { statusOf } from 'millrace/engine';
import { Refused, refusedReasons } from './accounts.ts';
import { BodyError } from './body.ts';
import { SignatureError } from './webhooks/signature.ts';

/** Every reason that metrics may have. */
export const refusals = [
  ...refusedReasons,
  'signature_missing',
  'signature_wrong',
  'signature_stale',
  'not_utf8',
  'not_json',
  'name_twice',
  'too_deep',
  'too_large',
  'too_many',
  'not_unpacked',
  'content_type',
  'content_encoding',
  'body_invalid',
  'event_invalid',
  'question_invalid',
  'no_route',
  'method',
  'behind',
  'busy',
  'not_started',
  'queue_full',
  'log_away',
  'malformed',
  'too_slow',
  'connections',
  'failed',
] as const;
export type Refusal = (typeof refusals)[number];

/** A request that is refused for now; the caller may try again. */
export class Later extends Error {
  readonly status: 429 | 503;
  /** Seconds. */
  readonly retryAfter: number;

  constructor(status: 429 | 503, retryAfter: number, message: string) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/** Sends the answer for an error; returns the reason for the metric. */
export function answerError(error: unknown, reply: FastifyReply): Refusal {
  if (error instanceof Refused) {
    if (error.status === 401) reply.header('www-authenticate', 'Basic realm="millrace", Bearer');
    reply.code(error.status).send({ problem: error.message });
    return error.reason;
  }
  if (error instanceof SignatureError) {
    reply.code(401).send({ problem: error.message });
    return `signature_${error.kind}`;
  }
  if (error instanceof BodyError) {
    reply.code(error.status).send({ problem: error.message });
    return error.reason;
  }
  if (error instanceof Later) {
    const { status, retryAfter, message: problem } = error;
    reply.code(status).header('retry-after', String(retryAfter)).send({ problem });
    return status === 429 ? 'behind' : 'not_started';
  }
  if (isMillraceError(error)) return answerKnown(error, reply);
  const status = (error as { statusCode?: number }).statusCode ?? 500;
  if (status < 500) {
    const message = error instanceof Error ? error.message : 'the request is not valid';
    reply.code(status).send({ problem: message });
    return ofStatus[status] ?? 'body_invalid';
  }
  reply.code(500).send({ problem: 'the request could not be answered' });
  return 'failed';
}

const ofStatus: Readonly<Record<number, Refusal>> = {
  408: 'too_slow',
  413: 'too_large',
  415: 'content_type',
};

function answerKnown(error: MillraceError, reply: FastifyReply): Refusal {
  const { code, message: problem, remedy } = error;
  if (code === 'APPEND_FULL') {
    reply.code(503).header('retry-after', '1').send({ problem });
    return 'queue_full';
  }
  if (code === 'TOO_BUSY') {
    reply.header('retry-after', String(error.context['seconds'] ?? 1));
  }
  if (code === 'STATE_AWAY' || code === 'STATE_MOVED') {
    reply.code(503).header('retry-after', '1').send({ code, problem, remedy });
    return 'busy';
  }
  if (/^(LOG|KAFKA|COMMIT|DISK|STATE)_/.test(code)) {
    const away = 'the log or the state is not available';
    reply.code(503).header('retry-after', '5').send({ code, problem: away });
    return 'log_away';
  }
  reply.code(statusOf(code)).send({ code, problem, remedy });
  return code === 'TOO_BUSY' ? 'busy' : 'question_invalid';
}
