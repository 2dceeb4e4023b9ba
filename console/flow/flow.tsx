/** The running application: its rate, how far it is behind and why, and what each step does. */
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { brief, bytes, count, from, instant, milliseconds, plural, rate } from '../lib/format.ts';
import { type Flow, type Holding, type Live, perSecond, rateNow } from '../lib/live.ts';
import { Card, Empty, Figure, Loading, Pill } from '../lib/parts.tsx';
import { Legend, Plot } from '../lib/plot.tsx';
import { Details, holderText } from './details.tsx';
import { graphOf, reasonText, type Topology } from './graph.ts';
import { PauseBar } from './pause.tsx';
import { Picture } from './picture.tsx';

/** Below this width the boxes are stacked, px. */
const narrow = 720;

export function FlowView({
  live,
  topology,
  mayOperate,
}: {
  readonly live: Live;
  readonly topology: Topology;
  readonly mayOperate: boolean;
}) {
  const graph = useMemo(() => graphOf(topology), [topology]);
  const [chosen, choose] = useState<string>();
  const place = useRef<HTMLDivElement>(null);
  const [isNarrow, setNarrow] = useState(innerWidth < narrow);
  useEffect(() => {
    const sized = () => setNarrow(innerWidth < narrow);
    addEventListener('resize', sized);
    return () => removeEventListener('resize', sized);
  }, []);
  const { flow } = live;
  if (flow === undefined) return <Loading what="Asking how it runs" />;
  const box = graph.boxes.find(({ id }) => id === chosen);
  return (
    <div class="view">
      <h1 class="hidden">Flow</h1>
      <Figures {...{ live, flow }} />
      <PauseBar paused={flow.health.paused} mayOperate={mayOperate} />
      <div class={box === undefined ? 'flow-grid' : 'flow-grid with-details'}>
        <Card title="What runs" aside={<span class="muted">{topology.name}</span>}>
          <div class="picture-scroll" ref={place}>
            <Picture {...{ graph, live, chosen, down: isNarrow }} choose={choose} />
          </div>
        </Card>
        {box !== undefined && (
          <Details key={box.id} {...{ box, live, mayOperate }} close={() => choose(undefined)} />
        )}
      </div>
      <div class="grid two">
        <Rates live={live} />
        <Stages flow={flow} />
      </div>
      {flow.processes !== undefined && <Processes processes={flow.processes} />}
      <div class="grid two">
        <Losses flow={flow} />
        <Notices flow={flow} />
      </div>
    </div>
  );
}

function Figures({ live, flow }: { readonly live: Live; readonly flow: Flow }) {
  const sumOf = (name: 'lag' | 'unknown') =>
    Object.values(flow.topics).reduce((sum, topic) => sum + (topic[name] ?? 0), 0);
  const [lag, unknown] = [sumOf('lag'), sumOf('unknown')];
  const isShared = flow.processes !== undefined;
  const { budget, cache, packed, backend } = flow.memory;
  const used = cache + packed + backend;
  const { streamTime } = flow.health;
  const slowest = slowestOf(flow);
  return (
    <dl class="figures">
      <Figure
        label="In"
        value={rate(rateNow(live.samples, 1))}
        note={`${count(flow.totals[1])} so far${isShared ? ', in this process' : ''}`}
      />
      <Figure
        label="Out"
        value={rate(rateNow(live.samples, 2))}
        note={`${count(flow.totals[2])} so far${isShared ? ', in this process' : ''}`}
      />
      <Figure
        label="Waiting"
        value={unknown > 0 ? 'unknown' : lag === 0 ? 'none' : brief(lag)}
        tone={lag > 100_000 || unknown > 0 ? 'warn' : ''}
        note={
          unknown > 0
            ? `${count(lag)} and those of ${plural(unknown, 'partition')} without an answer`
            : lag === 0
              ? 'everything is processed'
              : 'records waiting'
        }
      />
      <Figure
        label="Event time"
        value={streamTime === null ? '–' : instant(streamTime)}
        note={slowest ?? (streamTime === null ? 'no events yet' : from(streamTime, flow.totals[0]))}
      />
      <Figure
        label="A cycle takes"
        value={flow.cycles.half === null ? '–' : milliseconds(flow.cycles.half)}
        note={
          flow.cycles.most === null
            ? 'read, processed, committed'
            : `99 of 100 within ${milliseconds(flow.cycles.most)}`
        }
      />
      <Figure
        label="Memory of state"
        value={bytes(used)}
        note={budget > 0 ? `of ${bytes(budget)}` : undefined}
        tone={budget > 0 && used > budget * 0.95 ? 'warn' : ''}
      />
    </dl>
  );
}

/** What the task that is furthest behind waits for. */
function slowestOf({ time }: Flow): string | undefined {
  const behind = (time?.tasks ?? []).filter((task) => task.heldBackBy.length > 0);
  const slowest = behind.sort((a, b) => (b.behindMs ?? 0) - (a.behindMs ?? 0))[0];
  const holder = slowest?.heldBackBy[0];
  return holder === undefined ? undefined : `held back by ${holderText(holder)}`;
}

/** Who shares the tasks. */
function Processes({ processes }: { readonly processes: readonly Holding[] }) {
  return (
    <Card title="Processes">
      <table>
        <thead>
          <tr>
            <th>Process</th>
            <th>State</th>
            <th class="number">Tasks</th>
          </tr>
        </thead>
        <tbody>
          {processes.map(({ address, isHere, answers, tasks }) => (
            <tr key={`${address} ${isHere}`}>
              <td>{isHere ? 'this one' : (address ?? 'nobody yet')}</td>
              <td>
                <Pill tone={answers ? 'good' : 'bad'}>
                  {answers ? 'answers' : address === null ? 'waits for a process' : 'no answer'}
                </Pill>
              </td>
              <td class="number" title={tasks.join(', ')}>
                {count(tasks.length)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Card>
  );
}

function Rates({ live }: { readonly live: Live }) {
  const { samples } = live;
  const times = samples.map(([at]) => at);
  const lines = [
    { label: 'in', colour: 'curve-1', values: perSecond(samples, 1), fill: true },
    { label: 'out', colour: 'curve-2', values: perSecond(samples, 2) },
  ];
  return (
    <Card title="Records a second" aside={<Legend lines={lines} />}>
      <Plot
        {...{ times, lines, height: 190, format: brief }}
        title={`Records in and out a second over the last minutes; now ${rate(rateNow(samples, 1))} in and ${rate(rateNow(samples, 2))} out`}
      />
    </Card>
  );
}

const stageTexts: Readonly<Record<string, string>> = {
  hold: 'waits for the commit interval',
  fetch: 'waits for records',
  'hand-over': 'hands records to the threads',
  load: 'loads state',
  decode: 'decodes records',
  steps: 'runs the steps',
  changelog: 'packs changes of state',
  turn: 'waits for the previous commit',
  append: 'writes results',
  transaction: 'ends the transaction',
  state: 'acknowledges the commit',
};

function Stages({ flow }: { readonly flow: Flow }) {
  const { stages, count: cycles } = flow.cycles;
  const all = Object.entries(stages).filter(([, ms]) => ms > 0.005);
  const sum = all.reduce((total, [, ms]) => total + ms, 0);
  return (
    <Card title="Where the time of a cycle goes">
      {all.length === 0 ? (
        <Empty title="No cycle yet">It appears as soon as records arrive.</Empty>
      ) : (
        <>
          <ul class="bars">
            {all.map(([name, ms]) => (
              <li key={name}>
                <span class="bars-name" title={name}>
                  {stageTexts[name] ?? name}
                </span>
                <span class="bars-track" aria-hidden="true">
                  <i style={{ width: `${(100 * ms) / sum}%` }} />
                </span>
                <span class="bars-value">{milliseconds(ms)}</span>
              </li>
            ))}
          </ul>
          <p class="muted">Mean of the last {plural(cycles, 'cycle')}.</p>
        </>
      )}
    </Card>
  );
}

function Losses({ flow }: { readonly flow: Flow }) {
  const rows = Object.entries(flow.steps).flatMap(([step, { drops, deadLetters }]) => [
    ...Object.entries(drops).map(([reason, n]) => ({ step, what: 'dropped', reason, n })),
    ...Object.entries(deadLetters).map(([reason, n]) => ({
      ...{ step, what: 'dead letter', reason, n },
    })),
  ]);
  return (
    <Card title="Records that had no effect" aside={<a href="#/data">Dead letters</a>}>
      {rows.length === 0 ? (
        <Empty title="None since the start">Every record had an effect.</Empty>
      ) : (
        <table>
          <thead>
            <tr>
              <th>Step</th>
              <th>What</th>
              <th>Why</th>
              <th class="number">Records</th>
            </tr>
          </thead>
          <tbody>
            {rows.map(({ step, what, reason, n }) => (
              <tr key={`${step} ${what} ${reason}`}>
                <td>{step}</td>
                <td>{what}</td>
                <td>{reasonText(reason)}</td>
                <td class="number">{count(n)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Card>
  );
}

function Notices({ flow }: { readonly flow: Flow }) {
  return (
    <Card title="What happened">
      {flow.notices.length === 0 ? (
        <Empty title="Nothing worth telling" />
      ) : (
        <ul class="notices">
          {flow.notices.map(({ at, text, level }) => (
            <li key={`${at} ${text}`} class={level}>
              <time dateTime={new Date(at).toISOString()}>{instant(at)}</time>
              <span>{text}</span>
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}
