/** Search for a person; without a search, people with recent changes. */
import { useEffect, useState } from 'preact/hooks';
import { AskError, ask } from '../lib/api.ts';
import { instant } from '../lib/format.ts';
import { Card, Empty, Loading, Older, Problem } from '../lib/parts.tsx';
import { go, linkTo } from '../lib/place.ts';
import { useRecords } from '../lib/records.tsx';
import { Person } from './person.tsx';

const suggestionsMost = 8;
const waitMs = 200;

export function PeopleView({ subject }: { readonly subject: string | undefined }) {
  return (
    <div class="view">
      <h1 class="hidden">People</h1>
      <Search subject={subject} />
      {subject === undefined ? <Recent /> : <Person subject={subject} />}
    </div>
  );
}

function Search({ subject }: { readonly subject: string | undefined }) {
  const [text, setText] = useState(subject ?? '');
  const found = useSuggestions(text);
  useEffect(() => setText(subject ?? ''), [subject]);
  return (
    <search class="search">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (text.trim() !== '') go('people', text.trim());
        }}
      >
        <label for="subject" class="hidden">
          Person
        </label>
        <input
          id="subject"
          type="search"
          list="subjects"
          placeholder="Find a person by the name your events use"
          autocomplete="off"
          spellcheck={false}
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
        <datalist id="subjects">
          {found.map((name) => (
            <option key={name} value={name} />
          ))}
        </datalist>
        <button type="submit" class="button primary">
          Find
        </button>
      </form>
    </search>
  );
}

/** A few names that begin with the text; none when the server does not support it. */
function useSuggestions(text: string): readonly string[] {
  const [found, setFound] = useState<readonly string[]>([]);
  useEffect(() => {
    const prefix = text.trim();
    if (prefix.length < 2) return setFound([]);
    const gone = new AbortController();
    const timer = setTimeout(() => {
      const body = { prefix, limit: String(suggestionsMost) };
      ask<{ rows: readonly { key: string }[] }>('/v1/stores/profiles/rows', {
        ...{ body, signal: gone.signal },
      }).then(
        ({ rows }) => setFound(rows.map(({ key }) => key)),
        (error: unknown) => {
          if (error instanceof AskError) setFound([]);
        },
      );
    }, waitMs);
    return () => {
      clearTimeout(timer);
      gone.abort();
    };
  }, [text]);
  return found;
}

interface Change {
  readonly user: string;
  readonly segment: string;
  readonly type: 'entered' | 'exited';
  readonly cause: string;
  readonly effectiveAt: number;
}

const causes: Readonly<Record<string, string>> = {
  event: 'something happened',
  time: 'time passed',
  correction: 'an event came late or was taken back',
  definition: 'the segment was redefined',
  merge: 'two people are one',
  consent: 'consent changed',
  erasure: 'the person was erased',
  replay: 'the events were read again',
};

function Recent() {
  const { records, error, isLoading, more, again } = useRecords('segment-changes', 30);
  if (error !== undefined) return <Problem {...{ error, again }} />;
  const changes = records.flatMap(({ partition, offset, value }) => {
    try {
      return [{ key: `${partition} ${offset}`, ...(JSON.parse(value ?? '') as Change) }];
    } catch {
      return [];
    }
  });
  return (
    <Card
      title="Of whom something changed last"
      aside={
        <button type="button" class="button" onClick={again} disabled={isLoading}>
          Look again
        </button>
      }
    >
      {changes.length === 0 ? (
        isLoading ? (
          <Loading what="Looking" />
        ) : (
          <Empty title="Nobody has entered or left a segment yet" />
        )
      ) : (
        <>
          <ul class="changes">
            {changes.map(({ key, user, segment, type, cause, effectiveAt }) => (
              <li key={key}>
                <a href={linkTo('people', user)}>{user}</a>
                <span>
                  <span class={type === 'entered' ? 'entered' : 'left'}>
                    {type === 'entered' ? 'entered' : 'left'}
                  </span>{' '}
                  {segment}
                </span>
                <span class="muted">{causes[cause] ?? cause}</span>
                <time class="muted" dateTime={new Date(effectiveAt).toISOString()}>
                  {instant(effectiveAt)}
                </time>
              </li>
            ))}
          </ul>
          {more !== undefined && (
            <div class="more">
              <span />
              <Older more={more} isLoading={isLoading} />
            </div>
          )}
        </>
      )}
    </Card>
  );
}
