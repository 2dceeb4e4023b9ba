/** Details of one box: its place in the code, its stores, its topics and their records. */
import { useState } from 'preact/hooks';
import { bytes, count, from, instant, plural, rate, span } from '../lib/format.ts';
import type { Flow, Live } from '../lib/live.ts';
import { Pill } from '../lib/parts.tsx';
import { Records } from '../lib/records.tsx';
import { type Box, reasonText } from './graph.ts';
import { PauseButton } from './pause.tsx';

export function Details({
  box,
  live,
  mayOperate,
  close,
}: {
  readonly box: Box;
  readonly live: Live;
  readonly mayOperate: boolean;
  readonly close: () => void;
}) {
  const [shown, setShown] = useState<string>();
  const { flow } = live;
  const totals = flow?.steps[box.title];
  const topics = box.node?.topics ?? (box.topic === undefined ? [] : [box.topic]);
  return (
    <aside class="details card" aria-label={`About ${box.title}`}>
      <header class="card-head">
        <h2>
          {box.title} <Pill>{box.what}</Pill>
        </h2>
        <button type="button" class="button quiet" onClick={close} aria-label="Close the details">
          ✕
        </button>
      </header>
      <dl class="facts">
        {/* Steps of the package itself, as it is shipped, have no place in anybody's code. */}
        {box.node !== undefined && box.node.callSite !== 'unknown' && (
          <>
            <dt>In the code</dt>
            <dd>
              <code>{box.node.callSite}</code>
            </dd>
          </>
        )}
        {Object.entries(box.node?.detail ?? {}).map(([name, value]) => (
          <Setting key={name} {...{ name, value }} />
        ))}
        {box.node?.stores.map((store) => (
          <Store key={store.name} name={store.name} kind={store.kind} />
        ))}
      </dl>
      <TimeOf {...{ box, flow }} />
      {totals !== undefined && (
        <>
          <h3>Records without effect</h3>
          <ul class="counts">
            {Object.entries(totals.drops).map(([reason, n]) => (
              <li key={reason}>
                <span>dropped, {reasonText(reason)}</span>
                <b>{count(n)}</b>
              </li>
            ))}
            {Object.entries(totals.deadLetters).map(([stage, n]) => (
              <li key={stage}>
                <span>dead letters, {reasonText(stage)}</span>
                <b>{count(n)}</b>
              </li>
            ))}
          </ul>
        </>
      )}
      <h3>{topics.length === 1 ? 'Topic' : 'Topics'}</h3>
      {topics.length === 0 && <p class="muted">This step works in memory: it has no topic.</p>}
      <ul class="topics">
        {topics.map((name) => {
          const state = flow?.topics[name];
          const speed = live.topicRates[name];
          return (
            <li key={name}>
              <div class="topic-name">{name}</div>
              <div class="muted">
                {state === undefined
                  ? 'not there yet'
                  : `${plural(state.kept, 'record')}, ${plural(state.partitions, 'partition')}`}
                {speed !== undefined && `, ${rate(speed)}`}
                {state?.lag !== undefined && state.lag > 0 && `, ${count(state.lag)} waiting`}
                {state?.unknown !== undefined &&
                  `, ${plural(state.unknown, 'partition')} without an answer`}
              </div>
              {state !== undefined && (
                <button
                  type="button"
                  class="button"
                  aria-expanded={shown === name}
                  onClick={() => setShown(shown === name ? undefined : name)}
                >
                  {shown === name ? 'Hide records' : 'Newest records'}
                </button>
              )}
              {shown === name && <Records topic={name} />}
              {mayOperate && flow !== undefined && state?.lag !== undefined && (
                <TopicPause topic={name} flow={flow} />
              )}
            </li>
          );
        })}
      </ul>
    </aside>
  );
}

/** Of a topic that tasks read. */
function TopicPause({ topic, flow }: { readonly topic: string; readonly flow: Flow }) {
  const { paused } = flow.health;
  // A topic of an application that is paused as a whole is resumed with it.
  if (paused.all) return null;
  const isPaused =
    paused.topics.includes(topic) || paused.partitions.some((one) => one.startsWith(`${topic}/`));
  return <PauseButton key={String(isPaused)} {...{ topic, isPaused }} />;
}

function Setting({ name, value }: { readonly name: string; readonly value: unknown }) {
  const isSpan = name.endsWith('Ms') && typeof value === 'number';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  const title = name.replace(/Ms$/, '').replace(/([A-Z])/g, ' $1');
  return (
    <>
      <dt>{title.toLowerCase()}</dt>
      <dd>{isSpan ? span(value) : text}</dd>
    </>
  );
}

function Store({ name, kind }: { readonly name: string; readonly kind: string }) {
  return (
    <>
      <dt>keeps</dt>
      <dd>
        store <code>{name}</code> ({kind})
      </dd>
    </>
  );
}

/** How far time has come in the tasks of a box, and which partition holds it back. */
function TimeOf({ box, flow }: { readonly box: Box; readonly flow: Flow | undefined }) {
  const time = flow?.time;
  if (time === undefined || box.part === undefined) return null;
  const tasks = time.tasks.filter(({ part }) => part === box.part);
  if (tasks.length === 0) return null;
  return (
    <>
      <h3>Time and state, by partition</h3>
      <table class="small">
        <thead>
          <tr>
            <th>Partition</th>
            <th>Time has come to</th>
            <th>Waits for</th>
            <th>State</th>
          </tr>
        </thead>
        <tbody>
          {tasks.map((task) => (
            <tr key={task.task}>
              <td>{task.partition}</td>
              <td>
                {task.watermark === null ? 'not known yet' : instant(task.watermark)}
                {task.watermark !== null && (task.behindMs ?? 0) > 0 && time.newest !== null && (
                  <div class="muted">{from(task.watermark, time.newest)} of the newest event</div>
                )}
              </td>
              <td>{task.heldBackBy.map(holderText).join('; ') || 'nobody'}</td>
              <td>{bytes(flow?.memory.tasks[task.task] ?? 0)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

const states: Readonly<Record<string, string>> = {
  reading: 'has records to be read',
  waits: 'is too far ahead of the others',
  witness: 'jumped ahead, waits for a second record',
  silent: 'is silent',
  idle: 'is silent, the clock moves it',
  aside: 'is silent, is not waited for',
};

export function holderText(holder: {
  readonly kind: string;
  readonly topic?: string;
  readonly partition?: number;
  readonly task?: string;
  readonly state?: string;
}): string {
  if (holder.kind === 'task') return `task ${holder.task} of another process`;
  const state = states[holder.state ?? ''];
  return `${holder.topic} ${holder.partition}${state === undefined ? '' : ` (${state})`}`;
}
