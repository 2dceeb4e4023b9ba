/** HTTP requests that operate a running application. */
import { MillraceError } from '../base/errors.ts';
import type { RowMappings } from '../connect/row-mapping.ts';
import type { Route } from '../http/routes.ts';
import type { Log } from '../log/log.ts';
import type { PauseChange } from '../runtime/pause.ts';
import { whereIn, whereTexts } from '../runtime/replay/where.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { answerReplay, type ReplayQuestion } from './answer-replay.ts';

export interface Operated {
  readonly application: string;
  readonly runtime: Pick<Runtime, 'tasks' | 'pause' | 'paused'>;
  readonly log: Log;
  /** Mappings for rows of dead letters in a replay; without them rows are skipped. */
  readonly mappings: RowMappings | undefined;
}

export function operateRoutes(asked: Operated): readonly Route[] {
  return [
    ...([true, false] as const).map((pause): Route => {
      const summary = pause
        ? 'Stops reading, and keeps partitions and state; over restarts, until it is resumed.'
        : 'Goes on reading where it was paused; without a loss.';
      return {
        method: 'POST',
        path: pause ? '/v1/pause' : '/v1/resume',
        role: 'operate',
        about: { summary, parameters: pauseParameters },
        answer: async (_, body) => {
          const change = { pause, ...pauseQuestion(body) };
          return { application: asked.application, paused: await asked.runtime.pause(change) };
        },
      };
    }),
    {
      method: 'GET',
      path: '/v1/paused',
      about: { summary: 'What is paused: the application, topics, partitions, sources.' },
      answer: async () => ({ application: asked.application, paused: asked.runtime.paused }),
    },
    {
      method: 'POST',
      path: '/v1/dead-letters/replay',
      role: 'operate',
      about: {
        summary: 'Writes the records of dead letters back to where they came from, each once.',
        parameters: {
          where: {
            description: `Which letters, by ${Object.keys(whereTexts).join(', ')}; default all.`,
            type: 'object',
          },
          afterFix: {
            description: 'Also what failed again after a replay. Default false.',
            type: 'boolean',
          },
          dryRun: { description: 'Only count what would be done. Default false.', type: 'boolean' },
          mapping: { description: 'Of rows, instead of the mappings that their letters name.' },
        },
      },
      answer: (_, body, signal) => {
        const { application, log, runtime, mappings } = asked;
        const of = { log, application, topology: runtime.tasks.topology, mappings };
        return answerReplay(of, replayQuestion(body), signal);
      },
    },
  ];
}

const pauseParameters = {
  topic: { description: 'Only this topic; without topic and source the whole application.' },
  partition: { description: 'Only this partition of the topic.', type: 'integer' },
  source: { description: 'Only this source, such as a file or a table.' },
} as const;

function pauseQuestion(body: unknown): Omit<PauseChange, 'pause'> {
  const { topic, partition, source } = valuesOf(body, ['topic', 'partition', 'source']);
  for (const [field, value] of Object.entries({ topic, source })) {
    if (value !== undefined && typeof value !== 'string') refuse(field, 'must be a name');
  }
  if (partition !== undefined && !(Number.isSafeInteger(partition) && Number(partition) >= 0)) {
    refuse('partition', 'must be a whole number from 0 on');
  }
  return { topic, partition, source } as Omit<PauseChange, 'pause'>;
}

function replayQuestion(body: unknown): ReplayQuestion {
  const given = valuesOf(body, ['where', 'afterFix', 'dryRun', 'mapping']);
  const { where, mapping } = given;
  if (mapping !== undefined && typeof mapping !== 'string') refuse('mapping', 'must be a name');
  return {
    where: whereIn(where ?? {}),
    afterFix: flagOf(given, 'afterFix'),
    dryRun: flagOf(given, 'dryRun'),
    ...(mapping === undefined ? {} : { mapping: mapping as string }),
  };
}

function valuesOf(body: unknown, names: readonly string[]): Readonly<Record<string, unknown>> {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    refuse('(body)', 'must be an object');
  }
  // A misspelt selection would otherwise select everything.
  const unknown = Object.keys(body).find((name) => !names.includes(name));
  if (unknown !== undefined)
    refuse(unknown, `there is no such field; there are ${names.join(', ')}`);
  return body as Readonly<Record<string, unknown>>;
}

function flagOf(given: Readonly<Record<string, unknown>>, name: string): boolean {
  const value = given[name] ?? false;
  return typeof value === 'boolean' ? value : refuse(name, 'must be true or false');
}

function refuse(field: string, problem: string): never {
  throw new MillraceError('CONFIG_INVALID', { field, problem });
}
