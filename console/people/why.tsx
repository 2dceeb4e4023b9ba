/**
 * Why a person is in a segment or not: its conditions, which of them hold, and the events behind
 * them.
 */
import { from as fromNow, instant } from '../lib/format.ts';
import { Card, Loading, Pill, Problem } from '../lib/parts.tsx';
import { useAnswer } from '../lib/use-answer.ts';
import { titleText } from '../lib/words.ts';
import { definitionText } from './person.tsx';
import { askWhy, type Explanation, type SegmentAnswer, type Story } from './story.ts';

const shown = 6;

export function Why({
  story,
  segment,
  close,
}: {
  readonly story: Story;
  readonly segment: string;
  readonly close: () => void;
}) {
  const { value, error, again } = useAnswer(
    (signal) => askWhy(story.subject, segment, signal),
    [story.subject, segment],
  );
  const known = story.segments.find(({ id }) => id === segment);
  return (
    <Card
      class="why"
      title={
        <>
          Why {story.subject} is {value === undefined ? 'in or not' : value.holds ? 'in' : 'not in'}{' '}
          {segment}
        </>
      }
      aside={
        <button type="button" class="button quiet" onClick={close} aria-label="Close">
          ✕
        </button>
      }
    >
      {known !== undefined && (
        <p class="muted">{known.description ?? `Who belongs to it: ${definitionText(known)}.`}</p>
      )}
      {error !== undefined ? (
        <Problem {...{ error, again }} />
      ) : value === undefined ? (
        <Loading what="Looking at the events" />
      ) : (
        <Answer {...{ value, story }} />
      )}
    </Card>
  );
}

function Answer({ value, story }: { readonly value: SegmentAnswer; readonly story: Story }) {
  const { witnesses = [] } = value;
  return (
    <>
      <ul class="tree" aria-label="Conditions">
        <Condition why={value} at={story.at} />
      </ul>
      {value.parts.length > 0 && witnesses.length > 0 && (
        <p class="muted">It would be the other way without {listText(witnesses)}.</p>
      )}
      {value.changesAt !== undefined && (
        <p>
          If nothing more happens, {story.subject} {value.holds ? 'leaves' : 'enters'} on{' '}
          <b>{instant(value.changesAt)}</b>, {fromNow(value.changesAt, story.at)} as seen from their
          last event.
        </p>
      )}
    </>
  );
}

function listText(ids: readonly string[]): string {
  const more = ids.length > shown ? ` and ${ids.length - shown} more` : '';
  return `${ids.slice(0, shown).join(', ')}${more}`;
}

function Condition({ why, at }: { readonly why: Explanation; readonly at: number }) {
  const { condition, holds, changesAt, parts, shared, witnesses = [] } = why;
  return (
    <li>
      <div class={holds ? 'condition holds' : 'condition'}>
        <Pill tone={holds ? 'good' : 'bad'}>{holds ? 'true' : 'false'}</Pill>
        <div>
          {titleText(condition)}
          {shared === true && <span class="muted"> (as above)</span>}
          {changesAt !== undefined && (
            <span class="muted">
              {' '}
              · until {instant(changesAt)} ({fromNow(changesAt, at)})
            </span>
          )}
          {parts.length === 0 && witnesses.length > 0 && (
            <div class="muted">because of {listText(witnesses)}</div>
          )}
        </div>
      </div>
      {parts.length > 0 && (
        <ul>
          {parts.map((part, i) => (
            <Condition key={i} why={part} at={at} />
          ))}
        </ul>
      )}
    </li>
  );
}
