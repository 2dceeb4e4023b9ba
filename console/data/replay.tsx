/** Replay of dead letters: a preview first, and the result after it is confirmed. */
import { useState } from 'preact/hooks';
import type { ReplayReport } from '../../engine/runtime/replay/replay.ts';
import { reasonText } from '../flow/graph.ts';
import { AskError, ask } from '../lib/api.ts';
import { count, plural } from '../lib/format.ts';
import { Problem } from '../lib/parts.tsx';

const path = '/v1/dead-letters/replay';

export function Replay({ done }: { readonly done: () => void }) {
  const [text, setText] = useState('');
  const [afterFix, setAfterFix] = useState(false);
  const [report, setReport] = useState<ReplayReport>();
  const [error, setError] = useState<AskError>();
  const [isBusy, setBusy] = useState(false);
  const send = async (dryRun: boolean) => {
    setBusy(true);
    setError(undefined);
    try {
      const where = text === '' ? {} : { text };
      setReport(await ask<ReplayReport>(path, { body: { where, afterFix, dryRun } }));
      if (!dryRun) done();
    } catch (problem) {
      if (!(problem instanceof AskError)) throw problem;
      setError(problem);
    } finally {
      setBusy(false);
    }
  };
  const changed = () => setReport(undefined);
  return (
    <section class="replay" aria-label="Replay">
      <div class="row">
        <label>
          <span>Reason contains</span>
          <input
            type="text"
            value={text}
            placeholder="all reasons"
            onInput={(event) => {
              setText(event.currentTarget.value);
              changed();
            }}
          />
        </label>
        <label class="check">
          <input
            type="checkbox"
            checked={afterFix}
            onChange={(event) => {
              setAfterFix(event.currentTarget.checked);
              changed();
            }}
          />
          <span>Also those that failed again: the cause is fixed</span>
        </label>
        <button type="button" class="button" disabled={isBusy} onClick={() => void send(true)}>
          Preview a replay
        </button>
      </div>
      {error !== undefined && <Problem error={error} again={() => void send(true)} />}
      {report !== undefined && (
        <div role="status">
          <p>
            {report.dryRun
              ? `${count(report.replayed)} of ${plural(report.letters, 'dead letter')} would be written back to where they came from.`
              : `${count(report.replayed)} of ${plural(report.letters, 'dead letter')} were written back, as ${plural(report.records, 'record')}.`}
          </p>
          <Counts label="By step" counts={report.steps} />
          <Counts label="By stage" counts={report.stages} text={reasonText} />
          <Counts label="From" counts={report.topics} />
          <Counts label="Stay as they are" counts={report.skipped} />
          {report.dryRun && report.replayed > 0 && (
            <div class="row">
              <button
                type="button"
                class="button primary"
                disabled={isBusy}
                onClick={() => void send(false)}
              >
                Replay {plural(report.replayed, 'dead letter')} now
              </button>
              <button type="button" class="button" disabled={isBusy} onClick={changed}>
                Leave them
              </button>
            </div>
          )}
        </div>
      )}
    </section>
  );
}

function Counts({
  label,
  counts,
  text = (name) => name,
}: {
  readonly label: string;
  readonly counts: Readonly<Record<string, number>>;
  readonly text?: (name: string) => string;
}) {
  const all = Object.entries(counts);
  if (all.length === 0) return null;
  const list = all.map(([name, n]) => `${text(name) || 'no topic'} ${count(n)}`).join(', ');
  return (
    <p class="muted">
      {label}: {list}
    </p>
  );
}
