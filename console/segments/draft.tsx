/**
 * Tries a change of the segments before it is made: reports mistakes while typing, then the people
 * who would move.
 */
import { useEffect, useRef, useState } from 'preact/hooks';
import { AskError, ask } from '../lib/api.ts';
import { plural } from '../lib/format.ts';
import { Card, Loading, Pill, Problem } from '../lib/parts.tsx';
import { linkTo } from '../lib/place.ts';
import { useAnswer } from '../lib/use-answer.ts';
import type { Vocabulary } from './complete.ts';
import { Editor } from './editor.tsx';
import { NewVersion, withNewVersions } from './new-version.tsx';
import { Outcome, type WhatIf } from './outcome.tsx';
import type { Definitions } from './segments.tsx';

interface Mistake {
  readonly path: string;
  readonly problem: string;
}

interface Checked {
  readonly mistakes: readonly Mistake[];
  readonly warnings: readonly Mistake[];
}

const waitMs = 350;

export function Draft({ definitions }: { readonly definitions: Definitions }) {
  const [text, setText] = useState(() => textOf(definitions));
  const { checked, error, isChecking, config } = useChecked(text, definitions);
  const field = useRef<HTMLTextAreaElement>(null);
  const [result, setResult] = useState<{ of: string; value?: WhatIf; error?: AskError }>();
  const [renewed, setRenewed] = useState<{
    readonly of: string;
    readonly config: object;
    readonly changed: readonly string[];
  }>();
  const { value: vocabulary } = useAnswer(
    (signal) => ask<Vocabulary>('/segment/vocabulary', { signal }),
    [],
  );
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
  const changed = changedIn(text, definitions);
  const renew = () => {
    const next = withNewVersions(text, definitions);
    setText(next);
    const renewedConfig = { ...definitions.config, segments: JSON.parse(next) as unknown };
    setRenewed({ of: next, config: renewedConfig, changed });
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
          <Editor
            field={field}
            text={text}
            change={setText}
            isWrong={mistakes.length > 0}
            vocabulary={vocabulary}
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
              class="button"
              disabled={!canTry || changed.length === 0}
              onClick={renew}
            >
              Save as a new version
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
            A new version is kept in the data folder after a look at what it costs and who would
            move. It decides from the next <code>millrace start --config</code> on.
          </p>
        </Card>
      </div>
      {renewed !== undefined && (
        <NewVersion
          key={renewed.of}
          config={renewed.config}
          changed={renewed.changed}
          leave={() => setRenewed(undefined)}
        />
      )}
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

/** Ids of the segments that differ from the running ones; none while the text cannot be read. */
function changedIn(text: string, { config, segments }: Definitions): readonly string[] {
  try {
    const before = (config['segments'] ?? segments) as readonly { readonly id: string }[];
    const known = new Map(before.map((one) => [one.id, JSON.stringify(one)]));
    const now = JSON.parse(text) as readonly { readonly id: string }[];
    return now.filter((one) => known.get(one.id) !== JSON.stringify(one)).map(({ id }) => id);
  } catch {
    return [];
  }
}

/** The place of a path such as `segments.2.when.count` in the text; 0 when it is not found. */
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

/** Checks the text when typing pauses. */
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
