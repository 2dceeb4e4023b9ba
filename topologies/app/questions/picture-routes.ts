/** What the console shows of people and segments: computed in threads, or kept up to date. */
import { MillraceError, utf8 } from 'millrace';
import type { Route } from 'millrace/engine';
import { keyTextOf } from '../../../engine/cli/index.ts';
import { segmentChanges } from '../../event.ts';
import { checkPersonalisation } from '../../personalisation.ts';
import { addEntries, type Entries, sizesOf } from '../../segments/sizes.ts';
import { segmentToJson } from '../../segments/unparse.ts';
import type { Profile } from '../../subject/profile.ts';
import { dayMs } from '../../time-units.ts';
import { subjectId } from './people-schemas.ts';
import type { QuestionPool } from './question-pool.ts';
import { type Asked, instantOf } from './questions.ts';

/** The longest span of a picture, ms. */
const longest = 4_000 * dayMs;

/** @param pool answers the questions that take long */
export function pictureRoutes(asked: Asked, pool: QuestionPool): readonly Route[] {
  const entries = new SegmentEntries(asked, pool);
  return [
    {
      method: 'GET',
      path: '/subject/story',
      about: {
        summary: 'What became of a subject over time: score, band and segments.',
        parameters: { subject: { ...subjectId, required: true } },
      },
      answer: async (query, _, signal) => {
        const subject = query.get('subject') ?? '';
        if (subject === '') {
          const problem = 'is missing: add ?subject=...';
          throw new MillraceError('CONFIG_INVALID', { field: 'subject', problem });
        }
        const [row] = await asked.runtime.query('profiles', keyTextOf(utf8.encode(subject)));
        if (row === undefined) throw new MillraceError('SUBJECT_UNKNOWN', { subject });
        const span = spanIn(query);
        const { config } = asked;
        const [profile, clock] = [row.value as Profile, row.timestamp ?? 0];
        const story = await pool.ask(
          { kind: 'story', config, profile, clock, asked: span },
          signal,
        );
        return { subject, ...story };
      },
    },
    {
      method: 'GET',
      path: '/segment/definitions',
      answer: async () => {
        const { segments } = checkPersonalisation(asked.config);
        return { config: asked.config, segments: segments.map(segmentToJson) };
      },
    },
    {
      method: 'GET',
      path: '/segment/sizes',
      answer: async (_, __, signal) => {
        const all = await entries.now(signal);
        const configured = checkPersonalisation(asked.config).segments;
        const ids = [...new Set([...configured.map(({ id }) => id), ...Object.keys(all)])];
        const known = new Set(configured.map(({ id }) => id));
        const segments = ids.map((id) => ({ id, runs: known.has(id), days: sizesOf(all, id) }));
        return { segments };
      },
    },
  ];
}

function spanIn(query: URLSearchParams): { readonly from?: number; readonly to?: number } {
  const [from, to] = ['from', 'to'].map((field) => {
    const text = query.get(field);
    if (text === null) return undefined;
    return /^\d{1,15}$/.test(text) ? Number(text) : instantOf(text, field);
  });
  if (from !== undefined && to !== undefined && (to <= from || to - from > longest)) {
    const problem = `must be after from, by at most ${longest / dayMs} days`;
    throw new MillraceError('CONFIG_INVALID', { field: 'to', problem });
  }
  return { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
}

/** Entries and exits so far; each question first reads the changes since the last one. */
class SegmentEntries {
  readonly #asked: Asked;
  readonly #pool: QuestionPool;
  #entries: Entries = {};
  #positions = new Map<number, number>();
  /** Questions are answered one after another, so that no change is counted twice. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(asked: Asked, pool: QuestionPool) {
    this.#asked = asked;
    this.#pool = pool;
  }

  now(signal: AbortSignal): Promise<Entries> {
    const next = this.#last.then(() => this.#read(signal));
    this.#last = next.catch(() => {});
    return next;
  }

  async #read(signal: AbortSignal): Promise<Entries> {
    const positions = new Map(this.#positions);
    const more = await this.#pool.askOf(
      this.#asked.log,
      segmentChanges.name,
      (port) => ({ kind: 'entries', port }),
      signal,
      positions,
    );
    this.#positions = positions;
    this.#entries = addEntries(this.#entries, more as Entries);
    return this.#entries;
  }
}
