/**
 * A new version of segments: its cost and the people who would move are shown before it is saved.
 */
import { useState } from 'preact/hooks';
import { AskError, ask } from '../lib/api.ts';
import { count } from '../lib/format.ts';
import { Card, Loading, Problem, Scroll } from '../lib/parts.tsx';
import { Outcome, type WhatIf } from './outcome.tsx';
import type { Definitions } from './segments.tsx';

interface Segment {
  readonly id: string;
  readonly version: number;
}

interface Cost {
  readonly id: string;
  readonly bytesPerSubject: number;
  readonly timers: number;
  readonly retention?: number;
}

interface Looked {
  readonly plan: { readonly segments: readonly Cost[] };
  readonly whatIf: WhatIf;
}

type Kept = { readonly file: string; readonly command: string };

const day = 86_400_000;

/** The text with a greater version for each segment that differs from the running one. */
export function withNewVersions(text: string, definitions: Definitions): string {
  const running = (definitions.config['segments'] ?? definitions.segments) as Segment[];
  const known = new Map(running.map((one) => [one.id, one]));
  const next = (JSON.parse(text) as Segment[]).map((one) => {
    const before = known.get(one.id);
    if (before === undefined || one.version > before.version) return one;
    const isSame = JSON.stringify(one) === JSON.stringify(before);
    return isSame ? one : { ...one, version: before.version + 1 };
  });
  return JSON.stringify(next, null, 2);
}

export function NewVersion({
  config,
  changed,
  leave,
}: {
  readonly config: object;
  /** Ids of the segments that differ. */
  readonly changed: readonly string[];
  readonly leave: () => void;
}) {
  const [looked, setLooked] = useState<Looked>();
  const [kept, setKept] = useState<Kept>();
  const [error, setError] = useState<AskError>();
  const [isBusy, setBusy] = useState(false);
  const tell = (problem: unknown) => {
    setError(problem instanceof AskError ? problem : new AskError(0, String(problem)));
  };
  const doing = async (work: () => Promise<void>) => {
    setBusy(true);
    setError(undefined);
    await work().catch(tell);
    setBusy(false);
  };
  const look = () =>
    doing(async () => {
      const body = { body: config };
      const [plan, whatIf] = await Promise.all([
        ask<Looked['plan']>('/segment/plan', body),
        ask<WhatIf>('/segment/what-if', body),
      ]);
      setLooked({ plan, whatIf });
    });
  const keep = () => doing(async () => setKept(await ask<Kept>('/segment/save', { body: config })));
  const costs = looked?.plan.segments.filter(({ id }) => changed.includes(id)) ?? [];
  return (
    <Card title="A new version" aside={<span class="muted">{changed.join(', ')}</span>}>
      {error !== undefined && <Problem error={error} />}
      {looked === undefined ? (
        <p>First check its cost, and who would move.</p>
      ) : (
        <>
          <Costs costs={costs} />
          <Outcome value={looked.whatIf} />
        </>
      )}
      {isBusy && (
        <Loading what="Running all events under both; with many people this takes a while" />
      )}
      {kept !== undefined && (
        <div role="status">
          <p>
            <b>Kept.</b> It decides from the next start on, which is to be told of it:
          </p>
          <pre class="command">
            <code>{kept.command}</code>
          </pre>
        </div>
      )}
      <div class="more">
        <button type="button" class="button" onClick={leave}>
          Leave it
        </button>
        {looked === undefined ? (
          <button
            type="button"
            class="button primary"
            disabled={isBusy}
            onClick={() => void look()}
          >
            Plan and what-if
          </button>
        ) : (
          kept === undefined && (
            <button
              type="button"
              class="button primary"
              disabled={isBusy}
              onClick={() => void keep()}
            >
              Save it for the next start
            </button>
          )
        )}
      </div>
    </Card>
  );
}

function Costs({ costs }: { readonly costs: readonly Cost[] }) {
  return (
    <Scroll label="What the changed segments cost">
      <table>
        <thead>
          <tr>
            <th>Segment</th>
            <th class="number">Bytes a person</th>
            <th class="number">Timed conditions</th>
            <th class="number">Events are kept</th>
          </tr>
        </thead>
        <tbody>
          {costs.map(({ id, bytesPerSubject, timers, retention }) => (
            <tr key={id}>
              <td>
                <b>{id}</b>
              </td>
              <td class="number">{count(bytesPerSubject)}</td>
              <td class="number">{count(timers)}</td>
              <td class="number">
                {retention === undefined ? 'for ever' : `${count(Math.ceil(retention / day))} days`}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}
