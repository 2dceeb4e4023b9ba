/** All segments: their sizes over time, members that two of them share, and a draft to try. */
import { useState } from 'preact/hooks';
import { ask } from '../lib/api.ts';
import { count, day, plural } from '../lib/format.ts';
import { Card, Empty, Loading, Problem, Scroll } from '../lib/parts.tsx';
import { linkTo } from '../lib/place.ts';
import { Plot } from '../lib/plot.tsx';
import { useAnswer } from '../lib/use-answer.ts';
import { conditionText } from '../lib/words.ts';
import { Draft } from './draft.tsx';
import { Members } from './members.tsx';

const dayMs = 86_400_000;

export interface SegmentDay {
  readonly day: number;
  readonly entered: number;
  readonly left: number;
  readonly size: number;
}

export interface SegmentSizes {
  readonly id: string;
  /** False for a segment that is no longer configured. */
  readonly runs: boolean;
  readonly days: readonly SegmentDay[];
}

export interface Definition {
  readonly id: string;
  readonly version: number;
  readonly description?: string;
  readonly owner?: string;
  readonly purpose?: string;
  readonly when: Readonly<Record<string, unknown>>;
}

export interface Definitions {
  readonly config: Readonly<Record<string, unknown>>;
  readonly segments: readonly Definition[];
}

export function SegmentsView({ place }: { readonly place: readonly string[] }) {
  const [, part, id] = place;
  const sizes = useAnswer(
    (signal) => ask<{ segments: SegmentSizes[] }>('/segment/sizes', { signal }),
    [],
  );
  const known = useAnswer((signal) => ask<Definitions>('/segment/definitions', { signal }), []);
  const error = known.error ?? sizes.error;
  if (error !== undefined) {
    const again = () => {
      known.again();
      sizes.again();
    };
    return <Problem {...{ error, again }} />;
  }
  if (known.value === undefined) return <Loading what="Asking for the segments" />;
  const definitions = known.value.segments;
  if (part === 'draft') return <Draft definitions={known.value} />;
  if (part !== 'of' && sizes.value === undefined) {
    // The first count reads all changes; what the segments ask for can be read meanwhile.
    const segments = definitions.map(({ id }) => ({ id, runs: true, days: undefined }));
    return <Overview {...{ segments, definitions, again: sizes.again }} />;
  }
  if (sizes.value === undefined) return <Counting />;
  const { segments } = sizes.value;
  if (part === 'of' && id !== undefined) {
    const found = segments.find((one) => one.id === id);
    const definition = known.value.segments.find((one) => one.id === id);
    if (found === undefined) return <Empty title={`There is no segment ${id}`} />;
    return <Segment key={id} {...{ segment: found, definition, again: sizes.again }} />;
  }
  return <Overview {...{ segments, definitions, again: sizes.again }} />;
}

function Counting() {
  return <Loading what="Counting who entered and left; the first time this reads all changes" />;
}

function sizeOf(days: readonly SegmentDay[]): number {
  return days.at(-1)?.size ?? 0;
}

/** A segment in the list; its days are undefined while they are counted. */
interface Listed extends Pick<SegmentSizes, 'id' | 'runs'> {
  readonly days: readonly SegmentDay[] | undefined;
}

/** More of them are shown when it is asked for. */
const listedFirst = 24;

function Overview({
  segments,
  definitions,
  again,
}: {
  readonly segments: readonly Listed[];
  readonly definitions: readonly Definition[];
  readonly again: () => void;
}) {
  const [filter, setFilter] = useState('');
  const [isWhole, setWhole] = useState(false);
  const wanted = segments.filter(
    ({ id, runs }) => runs && id.toLowerCase().includes(filter.trim().toLowerCase()),
  );
  const shown = isWhole ? wanted : wanted.slice(0, listedFirst);
  return (
    <div class="view">
      <div class="title-row">
        <h1>Segments</h1>
        <div class="card-aside">
          <button type="button" class="button" onClick={again}>
            Count again
          </button>
          <a class="button primary" href={linkTo('segments', 'draft')}>
            Try a change
          </a>
        </div>
      </div>
      {segments.length > 12 && (
        <input
          type="search"
          aria-label="Show segments whose name has"
          placeholder="Name of a segment"
          value={filter}
          onInput={(event) => setFilter(event.currentTarget.value)}
        />
      )}
      {segments.some(({ days }) => days === undefined) && <Counting />}
      {wanted.length === 0 ? (
        <Empty title="No segment">Segments are written in a configuration: docs/SEGMENTS.md.</Empty>
      ) : (
        <ul class="segment-list">
          {shown.map((segment) => {
            const definition = definitions.find(({ id }) => id === segment.id);
            return <Entry key={segment.id} {...{ segment, definition }} />;
          })}
        </ul>
      )}
      {shown.length < wanted.length && (
        <button type="button" class="button" onClick={() => setWhole(true)}>
          Show all {count(wanted.length)} segments
        </button>
      )}
      <OverlapCard />
    </div>
  );
}

function Entry({
  segment: { id, days },
  definition,
}: {
  readonly segment: Listed;
  readonly definition: Definition | undefined;
}) {
  const last = days?.at(-1);
  return (
    <li>
      <a class="card segment-entry" href={linkTo('segments', 'of', id)}>
        <span class="segment-name">{id}</span>
        {days !== undefined && (
          <span class="segment-size">
            {count(sizeOf(days))} <small>{sizeOf(days) === 1 ? 'person' : 'people'}</small>
          </span>
        )}
        <Spark days={days ?? []} />
        <span class="segment-words">
          {definition?.description ??
            (definition === undefined ? '' : conditionText(definition.when))}
        </span>
        {last !== undefined && (
          <span class="muted segment-last">
            {day(last.day)}: <span class="entered">+{count(last.entered)}</span>{' '}
            <span class="left">−{count(last.left)}</span>
          </span>
        )}
      </a>
    </li>
  );
}

/** The size over time, as a small curve. */
function Spark({ days }: { readonly days: readonly SegmentDay[] }) {
  const [first, last] = [days[0], days.at(-1)];
  if (first === undefined || last === undefined) return <svg class="spark" aria-hidden="true" />;
  const most = Math.max(1, ...days.map(({ size }) => size));
  const wide = Math.max(dayMs, last.day - first.day);
  const points = days.map(
    ({ day: at, size }) =>
      `${((120 * (at - first.day)) / wide).toFixed(1)},${(30 - (28 * size) / most).toFixed(1)}`,
  );
  return (
    <svg class="spark" viewBox="0 0 120 32" preserveAspectRatio="none" aria-hidden="true">
      <polyline points={points.join(' ')} />
    </svg>
  );
}

/** Every day between the first and the last, including those without a change. */
function everyDay(days: readonly SegmentDay[]): SegmentDay[] {
  const all: SegmentDay[] = [];
  for (const one of days) {
    const before = all.at(-1);
    if (before !== undefined) {
      for (let at = before.day + dayMs; at < one.day; at += dayMs) {
        all.push({ day: at, entered: 0, left: 0, size: before.size });
      }
    }
    all.push(one);
  }
  return all;
}

function Segment({
  segment,
  definition,
  again,
}: {
  readonly segment: SegmentSizes;
  readonly definition: Definition | undefined;
  readonly again: () => void;
}) {
  const days = everyDay(segment.days);
  const times = days.map(({ day: at }) => at);
  const size = sizeOf(segment.days);
  return (
    <div class="view">
      <a class="back" href={linkTo('segments')}>
        All segments
      </a>
      <div class="title-row">
        <div>
          <h1>{segment.id}</h1>
          <p class="muted">
            {definition === undefined
              ? 'This segment is no longer configured.'
              : `Version ${definition.version}${definition.owner === undefined ? '' : `, of ${definition.owner}`}`}
          </p>
        </div>
        <button type="button" class="button" onClick={again}>
          Count again
        </button>
      </div>
      {definition !== undefined && (
        <Card title="Who belongs to it">
          {definition.description !== undefined && <p>{definition.description}</p>}
          <p class={definition.description === undefined ? '' : 'muted'}>
            {conditionText(definition.when)}
            {definition.purpose !== undefined && `; only with consent to “${definition.purpose}”`}
          </p>
        </Card>
      )}
      <div class="grid two">
        <Card title={`Size: ${plural(size, 'person', 'people')}`}>
          {days.length === 0 ? (
            <Empty title="Nobody has been in it yet" />
          ) : (
            <Plot
              {...{ times, height: 210, format: count }}
              lines={[
                {
                  label: 'size',
                  colour: 'curve-1',
                  values: days.map((one) => one.size),
                  fill: true,
                },
              ]}
              title={`Size of ${segment.id} over time; now ${size}`}
            />
          )}
        </Card>
        <Card
          title="Entered and left, by day"
          aside={
            <span class="muted">
              <span class="entered">entered</span> · <span class="left">left</span>
            </span>
          }
        >
          {days.length === 0 ? (
            <Empty title="Nobody yet" />
          ) : (
            <Plot
              {...{ times, height: 210, format: count }}
              lines={[
                {
                  ...{ label: 'entered', colour: 'good', stepped: true },
                  values: days.map((one) => one.entered),
                },
                {
                  ...{ label: 'left', colour: 'bad', stepped: true },
                  values: days.map((one) => one.left),
                },
              ]}
              title={`How many entered and left ${segment.id} each day`}
            />
          )}
        </Card>
      </div>
      <Members {...{ segment: segment.id, size }} />
      <p class="muted">Days are in UTC, and count when a change was decided.</p>
    </div>
  );
}

interface Overlap {
  readonly sizes: Readonly<Record<string, number>>;
  readonly pairs: readonly {
    readonly first: string;
    readonly second: string;
    readonly both: number;
  }[];
}

const pairsShown = 12;

/** Loaded only on request: the first count after a start reads the states of all members. */
function OverlapCard() {
  const [isAsked, setAsked] = useState(false);
  return (
    <Card title="Who is in two segments">
      {isAsked ? (
        <OverlapTable />
      ) : (
        <div class="state empty">
          <div>Counts, for each two segments, the people who are in both.</div>
          <button type="button" class="button" onClick={() => setAsked(true)}>
            Count
          </button>
        </div>
      )}
    </Card>
  );
}

function OverlapTable() {
  const { value, error, again } = useAnswer(
    (signal) => ask<Overlap>('/segment/overlap', { signal }),
    [],
  );
  const [isAll, setAll] = useState(false);
  if (error !== undefined) return <Problem {...{ error, again }} />;
  if (value === undefined) return <Loading what="Counting" />;
  const pairs = value.pairs
    .map((pair) => {
      const smaller = Math.min(value.sizes[pair.first] ?? 0, value.sizes[pair.second] ?? 0);
      return { ...pair, share: smaller === 0 ? 0 : pair.both / smaller };
    })
    .sort((a, b) => b.both - a.both);
  if (pairs.length === 0) return <Empty title="Nobody is in two segments" />;
  return (
    <>
      <Scroll label="People in two segments">
        <table>
          <thead>
            <tr>
              <th>Segments</th>
              <th class="number">In both</th>
              <th>Of the smaller one</th>
            </tr>
          </thead>
          <tbody>
            {pairs
              .slice(0, isAll ? pairs.length : pairsShown)
              .map(({ first, second, both, share }) => (
                <tr key={`${first} ${second}`}>
                  <td>
                    {first} <span class="muted">and</span> {second}
                  </td>
                  <td class="number">{count(both)}</td>
                  <td class="share-cell">
                    <span class="bars-track" aria-hidden="true">
                      <i style={{ width: `${100 * share}%` }} />
                    </span>
                    {Math.round(100 * share)} %
                  </td>
                </tr>
              ))}
          </tbody>
        </table>
      </Scroll>
      {!isAll && pairs.length > pairsShown && (
        <div class="more">
          <span class="muted">The {pairsShown} largest</span>
          <button type="button" class="button" onClick={() => setAll(true)}>
            Show all {count(pairs.length)}
          </button>
        </div>
      )}
    </>
  );
}
