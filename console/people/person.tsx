/** One person: score and segments over time, the reasons, and what comes next. */
import { useEffect, useState } from 'preact/hooks';
import { day, from as fromNow, instant, plural } from '../lib/format.ts';
import { Card, Empty, Figure, Loading, Pill, Problem } from '../lib/parts.tsx';
import { linkTo } from '../lib/place.ts';
import { useAnswer } from '../lib/use-answer.ts';
import { conditionText, doing } from '../lib/words.ts';
import { Chart } from './chart.tsx';
import { askStory, type Coming, type Interval, type Story } from './story.ts';
import { Why } from './why.tsx';

export function Person({ subject }: { readonly subject: string }) {
  const [span, setSpan] = useState<Interval>();
  const [chosen, choose] = useState<string>();
  const { value, error, isLoading, again } = useAnswer(
    (signal) => askStory(subject, span, signal),
    [subject, span?.[0], span?.[1]],
  );
  useEffect(() => {
    setSpan(undefined);
    choose(undefined);
  }, [subject]);
  const story = value?.subject === subject ? value : undefined;
  if (story === undefined && error !== undefined) {
    return error.status === 404 ? (
      <Empty title={`No person is known as “${subject}”`}>
        Names are written exactly as your events have them, with upper and lower case.
      </Empty>
    ) : (
      <Problem {...{ error, again }} />
    );
  }
  if (story === undefined) return <Loading what={`Looking for ${subject}`} />;
  if (story.erased !== undefined) {
    return (
      <Empty title={`${subject} was erased`}>
        On {instant(story.erased)} all that was kept of this person was deleted.
      </Empty>
    );
  }
  if (story.mergedInto !== undefined) {
    return (
      <Empty title={`${subject} is the same person as ${story.mergedInto}`}>
        <a href={linkTo('people', story.mergedInto)}>Go to {story.mergedInto}</a>
      </Empty>
    );
  }
  return (
    <div class="view" aria-busy={isLoading}>
      <Summary story={story} />
      <Card title="Score and segments over time">
        <Chart
          {...{ story, chosen, isZoomed: span !== undefined }}
          zoom={setSpan}
          choose={(id) => choose(chosen === id ? undefined : id)}
        />
      </Card>
      {chosen !== undefined && (
        <Why
          key={`${subject} ${chosen}`}
          {...{ story, segment: chosen }}
          close={() => choose(undefined)}
        />
      )}
      <div class="grid two">
        <Next story={story} />
        <Made story={story} />
      </div>
      <Known story={story} />
    </div>
  );
}

function Summary({ story }: { readonly story: Story }) {
  const { score, at, segments, coming } = story;
  const inside = segments.filter((one) => one.in).length;
  const first = coming[0];
  return (
    <>
      <header class="person-head">
        <h1>{story.subject}</h1>
        <Pill tone="accent">{score.band}</Pill>
        {story.absorbed !== undefined && story.absorbed.length > 0 && (
          <span class="muted">also known as {story.absorbed.join(', ')}</span>
        )}
      </header>
      <dl class="figures">
        <Figure
          label="Engagement score"
          value={score.score}
          note={
            score.changesAt === undefined
              ? 'of 99; it stays without further events'
              : `of 99; changes ${fromNow(score.changesAt, at)} by itself`
          }
        />
        <Figure
          label="Segments"
          value={`${inside} of ${segments.length}`}
          note={
            segments
              .filter((one) => one.in)
              .map(({ id }) => id)
              .slice(0, 3)
              .join(', ') || 'in none'
          }
        />
        <Figure
          label="Changes next"
          value={first === undefined ? 'nothing' : fromNow(first.at, at)}
          note={first === undefined ? 'unless something happens' : comingText(first)}
        />
        <Figure
          label="Last seen"
          value={day(at)}
          note={
            score.gateIsShut
              ? `${story.gatedChannel} does not count now: bounced, complained or unsubscribed`
              : instant(at)
          }
          tone={score.gateIsShut ? 'warn' : ''}
        />
      </dl>
    </>
  );
}

function comingText(coming: Coming): string {
  if (coming.what === 'band') return `becomes ${coming.band}`;
  if (coming.what === 'gate') return coming.shut ? 'email stops counting' : 'email counts again';
  return `${coming.enters ? 'enters' : 'leaves'} ${coming.segment}`;
}

function Next({ story }: { readonly story: Story }) {
  const { coming, at } = story;
  return (
    <Card title="What comes, if nothing more happens">
      {coming.length === 0 ? (
        <Empty title="Nothing changes by itself">
          Until {day(story.to)} all stays as it is, unless something happens.
        </Empty>
      ) : (
        <ol class="coming">
          {coming.map((one) => (
            <li key={`${one.at} ${comingText(one)}`}>
              <time dateTime={new Date(one.at).toISOString()}>{instant(one.at)}</time>
              <b>{comingText(one)}</b>
              <span class="muted">{fromNow(one.at, at)}</span>
            </li>
          ))}
        </ol>
      )}
    </Card>
  );
}

/** The parts of the score: each channel, and the events that count most now. */
function Made({ story }: { readonly story: Story }) {
  const { channels, opensCountNothing } = story.score;
  const parts = channels
    .flatMap(({ channel, hours }) => hours.map((hour) => ({ ...hour, channel })))
    .sort((a, b) => b.left - a.left)
    .slice(0, 6);
  return (
    <Card title="What makes the score">
      {opensCountNothing && (
        <p class="note">Most opens of this person are a machine’s, so opens do not count.</p>
      )}
      <ul class="bars">
        {channels.map(({ channel, sub, share }) => (
          <li key={channel}>
            <span class="bars-name">{channel}</span>
            <span class="bars-track" aria-hidden="true">
              <i style={{ width: `${sub}%` }} />
            </span>
            <span class="bars-value">
              {sub}
              {share === 0 && <span class="muted"> off</span>}
            </span>
          </li>
        ))}
      </ul>
      {parts.length === 0 ? (
        <Empty title="Nothing counts any more">Their events are too long ago.</Empty>
      ) : (
        <>
          <h3>Counts most now</h3>
          <ul class="counts">
            {parts.map((part) => (
              <li key={`${part.class} ${part.hour}`}>
                <span>
                  {doing(part.class)}
                  {part.counted > 1 && ` ${part.counted} times`}{' '}
                  <span class="muted">{day(part.hour)}</span>
                </span>
                <span class="muted" title="What time has left of its points">
                  {(part.left / 1_000).toFixed(1)} of {(part.points / 1_000).toFixed(1)} points left
                </span>
              </li>
            ))}
          </ul>
        </>
      )}
    </Card>
  );
}

function Known({ story }: { readonly story: Story }) {
  const traits = Object.entries(story.traits);
  return (
    <div class="grid two">
      <Card title="Consents">
        {story.consents.length === 0 ? (
          <Empty title="No consent was given or withdrawn" />
        ) : (
          <ul class="counts">
            {story.consents.map(({ purpose, status, since, until }) => (
              <li key={purpose}>
                <span>
                  {purpose}{' '}
                  <Pill tone={status === 'granted' ? 'good' : status === 'withdrawn' ? 'bad' : ''}>
                    {status === 'granted' ? 'given' : status}
                  </Pill>
                </span>
                <span class="muted">
                  {since !== undefined && `since ${day(since)}`}
                  {until !== undefined && `, until ${day(until)}`}
                </span>
              </li>
            ))}
          </ul>
        )}
      </Card>
      <Card title="What is known of the person">
        {traits.length === 0 ? (
          <Empty title="Nothing that a segment asks for" />
        ) : (
          <ul class="counts">
            {traits.map(([name, { value, since }]) => (
              <li key={name}>
                <span>
                  {name}: <b>{String(value)}</b>
                </span>
                <span class="muted">since {day(since)}</span>
              </li>
            ))}
          </ul>
        )}
      </Card>
    </div>
  );
}

export function definitionText(segment: Story['segments'][number]): string {
  const { when, purpose } = segment.definition;
  const consent = purpose === undefined ? '' : `; needs consent to “${String(purpose)}”`;
  return `${conditionText(when)}${consent}`;
}

export function peopleText(n: number): string {
  return plural(n, 'person', 'people');
}
