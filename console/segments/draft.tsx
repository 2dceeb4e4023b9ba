/** A change of the segments, tried before it is made: mistakes as one types, then who would move. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { WhatIf as WhatIfAnswer } from '../../topologies/what-if.ts';
import { AskError, ask } from '../lib/api.ts';
import { count, plural } from '../lib/format.ts';
import { Card, Empty, Loading, Pill, Problem, Scroll } from '../lib/parts.tsx';
import { linkTo } from '../lib/place.ts';
import type { Definitions } from './segments.tsx';

interface Mistake {
  readonly path: string;
  readonly problem: string;
}

interface Checked {
  readonly mistakes: readonly Mistake[];
  readonly warnings: readonly Mistake[];
}

interface WhatIf extends WhatIfAnswer {
  readonly sample?: { readonly subjects: number; readonly of: number };
}

const waitMs = 350;
const peopleShown = 12;

export function Draft({ definitions }: { readonly definitions: Definitions }) {
  const [text, setText] = useState(() => textOf(definitions));
  const { checked, error, isChecking, config } = useChecked(text, definitions);
  const field = useRef<HTMLTextAreaElement>(null);
  const [result, setResult] = useState<{ of: string; value?: WhatIf; error?: AskError }>();
  const isTried = result?.of === text;
  const mistakes = checked?.mistakes ?? [];
  const goTo = (path: string) => {
    const element = field.current;
    if (element === null) return;
    const at = placeOf(text, path);
    element.focus();
    element.setSelectionRange(at, at);
    const line = text.slice(0, at).split('\n').length;
    element.scrollTop = Math.max(0, (line - 4) * 19);
  };
  const tryIt = async () => {
    setResult({ of: text });
    try {
      setResult({ of: text, value: await ask<WhatIf>('/segment/what-if', { body: config }) });
    } catch (problem) {
      const known = problem instanceof AskError ? problem : new AskError(0, String(problem));
      setResult({ of: text, error: known });
    }
  };
  const save = () => {
    const link = document.createElement('a');
    const body = JSON.stringify(config, null, 2);
    link.href = URL.createObjectURL(new Blob([body], { type: 'application/json' }));
    link.download = 'segments.json';
    link.click();
    URL.revokeObjectURL(link.href);
  };
  const canTry = config !== undefined && mistakes.length === 0 && !isChecking;
  return (
    <div class="view">
      <a class="back" href={linkTo('segments')}>
        All segments
      </a>
      <div class="title-row">
        <div>
          <h1>Try a change</h1>
          <p class="muted">
            Change the segments below and see who would enter and leave. Nothing changes for
            anybody.
          </p>
        </div>
      </div>
      <div class="grid two draft">
        <Card
          title={<label for="definitions">Segments</label>}
          aside={
            <button type="button" class="button quiet" onClick={() => setText(textOf(definitions))}>
              As they run
            </button>
          }
        >
          <textarea
            id="definitions"
            ref={field}
            class="editor"
            spellcheck={false}
            aria-describedby="mistakes"
            aria-invalid={mistakes.length > 0}
            value={text}
            onInput={(event) => setText(event.currentTarget.value)}
          />
        </Card>
        <Card
          title="Check"
          aside={
            isChecking ? (
              <Pill>checking</Pill>
            ) : mistakes.length > 0 || error !== undefined ? (
              <Pill tone="bad">{plural(Math.max(1, mistakes.length), 'mistake')}</Pill>
            ) : (
              <Pill tone="good">no mistakes</Pill>
            )
          }
        >
          <div id="mistakes" aria-live="polite">
            {error !== undefined && <Problem error={error} />}
            <ul class="mistakes">
              {mistakes.map(({ path, problem }) => (
                <li key={`${path} ${problem}`}>
                  <button type="button" class="mistake" onClick={() => goTo(path)}>
                    <code>{path}</code> {problem}
                  </button>
                </li>
              ))}
              {(checked?.warnings ?? []).map(({ path, problem }) => (
                <li key={`${path} ${problem}`}>
                  <button type="button" class="mistake warning" onClick={() => goTo(path)}>
                    <code>{path}</code> {problem}
                  </button>
                </li>
              ))}
            </ul>
          </div>
          <div class="more">
            <button type="button" class="button" disabled={!canTry} onClick={save}>
              Save as a file
            </button>
            <button
              type="button"
              class="button primary"
              disabled={!canTry}
              onClick={() => void tryIt()}
            >
              Who would move?
            </button>
          </div>
          <p class="muted">
            To make it so, give the file to <code>millrace start --config</code>. A changed segment
            needs a greater version.
          </p>
        </Card>
      </div>
      {result !== undefined && (
        <Card
          title="Before and after"
          aside={!isTried && <Pill tone="warn">of an earlier text</Pill>}
        >
          {result.error !== undefined ? (
            <Problem error={result.error} again={() => void tryIt()} />
          ) : result.value === undefined ? (
            <Loading what="Running all events under both; with many people this takes a while" />
          ) : (
            <Outcome value={result.value} />
          )}
        </Card>
      )}
    </div>
  );
}

function textOf({ config, segments }: Definitions): string {
  return JSON.stringify(config['segments'] ?? segments, null, 2);
}

/** Where a path such as `segments.2.when.count` stands in the text; the start where it is not found. */
function placeOf(text: string, path: string): number {
  const [, index] = /^segments\.(\d+)/.exec(path) ?? [];
  if (index === undefined) return 0;
  const starts = [...text.matchAll(/^ {2}\{/gm)].map((match) => match.index);
  const start = starts[Number(index)] ?? 0;
  const end = starts[Number(index) + 1] ?? text.length;
  const names = path.split('.').slice(2).reverse();
  for (const name of names) {
    const found = text.indexOf(`"${name}"`, start);
    if (found >= 0 && found < end) return found;
  }
  return start;
}

/** Asks what is wrong when the typing rests. */
function useChecked(text: string, definitions: Definitions) {
  const [state, setState] = useState<{
    readonly checked?: Checked;
    readonly error?: AskError;
    readonly of?: string;
    readonly config?: object;
  }>({});
  useEffect(() => {
    const gone = new AbortController();
    const timer = setTimeout(() => void check(), waitMs);
    const check = async () => {
      let segments: unknown;
      try {
        segments = JSON.parse(text);
      } catch (problem) {
        const said = problem instanceof Error ? problem.message : String(problem);
        setState({ of: text, error: new AskError(0, `This is not JSON yet: ${said}`) });
        return;
      }
      const config = { ...definitions.config, segments };
      try {
        const checked = await ask<Checked>('/segment/lint', { body: config, signal: gone.signal });
        setState({ of: text, checked, config });
      } catch (problem) {
        if (gone.signal.aborted) return;
        const known = problem instanceof AskError ? problem : new AskError(0, String(problem));
        setState({ of: text, error: known });
      }
    };
    return () => {
      clearTimeout(timer);
      gone.abort();
    };
  }, [text]);
  return { ...state, isChecking: state.of !== text };
}

function Outcome({ value }: { readonly value: WhatIf }) {
  const moved = value.segments.filter(
    ({ enter, leave, changed }) => changed || enter.length + leave.length > 0,
  );
  return (
    <>
      <p class="muted">
        {value.sample === undefined
          ? `Of all ${plural(value.scores.subjects, 'person', 'people')}.`
          : `Of ${count(value.sample.subjects)} people, drawn from ${count(value.sample.of)}.`}
      </p>
      {moved.length === 0 ? (
        <Empty title="Nobody would move">All segments would have the same members.</Empty>
      ) : (
        <Scroll label="Segments before and after">
          <table>
            <thead>
              <tr>
                <th>Segment</th>
                <th class="number">Before</th>
                <th class="number">After</th>
                <th>Would enter</th>
                <th>Would leave</th>
              </tr>
            </thead>
            <tbody>
              {moved.map((one) => (
                <tr key={one.id}>
                  <td>
                    <b>{one.id}</b>
                    {one.before === undefined && <Pill tone="accent">new</Pill>}
                    {one.after === undefined && <Pill tone="bad">gone</Pill>}
                  </td>
                  <td class="number">
                    {one.before === undefined ? '–' : count(one.before.members)}
                  </td>
                  <td class="number">{one.after === undefined ? '–' : count(one.after.members)}</td>
                  <td>
                    <Movers names={one.enter} sign="+" tone="entered" />
                  </td>
                  <td>
                    <Movers names={one.leave} sign="−" tone="left" />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </>
  );
}

function Movers({
  names,
  sign,
  tone,
}: {
  readonly names: readonly string[];
  readonly sign: string;
  readonly tone: string;
}) {
  if (names.length === 0) return <span class="muted">nobody</span>;
  return (
    <details>
      <summary>
        <span class={tone}>
          {sign}
          {count(names.length)}
        </span>
      </summary>
      {names.slice(0, peopleShown).map((name) => (
        <a key={name} class="mover" href={linkTo('people', name)}>
          {name}
        </a>
      ))}
      {names.length > peopleShown && (
        <span class="muted">and {count(names.length - peopleShown)} more</span>
      )}
    </details>
  );
}
