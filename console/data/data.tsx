/** The input: sources, delays, and refused records. */

import { reasonText } from '../flow/graph.ts';
import { bytes, count, instant, milliseconds, plural, rate } from '../lib/format.ts';
import type { Flow, Live, SourceState } from '../lib/live.ts';
import { Card, Empty, Figure, Loading, Older, Pill, Problem, Scroll } from '../lib/parts.tsx';
import { useRecords, Value } from '../lib/records.tsx';
import { Replay } from './replay.tsx';

export function DataPage({
  live,
  mayOperate,
}: {
  readonly live: Live;
  /** Whether the viewer may replay. */
  readonly mayOperate: boolean;
}) {
  const { flow } = live;
  if (flow === undefined) return <Loading what="Asking what came in" />;
  return (
    <div class="view">
      <h1 class="hidden">Data</h1>
      <Latency flow={flow} />
      <Sources flow={flow} />
      <Topics live={live} flow={flow} />
      <DeadLetters flow={flow} mayOperate={mayOperate} />
    </div>
  );
}

function Latency({ flow }: { readonly flow: Flow }) {
  const refused = flow.topics[flow.deadLetterTopic]?.kept ?? 0;
  const [, , , dropped] = flow.totals;
  return (
    <dl class="figures">
      <Figure label="Taken in" value={count(flow.totals[1])} note="since the process started" />
      <Figure
        label="From reading to commit"
        value={flow.cycles.half === null ? '–' : milliseconds(flow.cycles.half)}
        note={
          flow.cycles.most === null
            ? 'no cycle yet'
            : `99 of 100 cycles within ${milliseconds(flow.cycles.most)}`
        }
      />
      <Figure label="Had no effect" value={count(dropped)} note="late, twice, without consent …" />
      <Figure
        label="Dead letters"
        value={count(refused)}
        tone={refused > 0 ? 'warn' : ''}
        note={refused === 0 ? 'nothing was refused' : 'kept, with their bytes'}
      />
    </dl>
  );
}

function Sources({ flow }: { readonly flow: Flow }) {
  return (
    <Card title="Files">
      {flow.sources.length === 0 ? (
        <Empty title="This process reads no file">
          Events come over HTTP or from topics that others write.
        </Empty>
      ) : (
        <Scroll label="Files">
          <table>
            <thead>
              <tr>
                <th>Source</th>
                <th class="number">Rows</th>
                <th class="number">Size</th>
                <th class="number">Dead letters</th>
                <th>Not wanted</th>
                <th>Newest event</th>
                <th>State</th>
              </tr>
            </thead>
            <tbody>
              {flow.sources.map((source) => (
                <Source key={source.name} source={source} />
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </Card>
  );
}

function Source({ source }: { readonly source: SourceState }) {
  const { name, records, deadLettered, skipped, done, eventTime } = source;
  return (
    <tr>
      <td>{name}</td>
      <td class="number">{count(records)}</td>
      <td class="number">{bytes(source.bytes)}</td>
      <td class="number">{count(deadLettered)}</td>
      <td>
        {Object.entries(skipped)
          .map(([reason, n]) => `${count(n)} ${reasonText(reason)}`)
          .join(', ') || '–'}
      </td>
      <td>{eventTime === null ? '–' : instant(eventTime)}</td>
      <td>
        {done ? (
          <Pill tone="good">read to its end</Pill>
        ) : records === 0 ? (
          <Pill>nothing new</Pill>
        ) : (
          <Pill tone="accent">reading</Pill>
        )}
      </td>
    </tr>
  );
}

function Topics({ live, flow }: { readonly live: Live; readonly flow: Flow }) {
  const topics = Object.entries(flow.topics).filter(([, { lag }]) => lag !== undefined);
  return (
    <Card title="Topics that are read">
      {topics.length === 0 ? (
        <Empty title="Not known yet" />
      ) : (
        <Scroll label="Topics that are read">
          <table>
            <thead>
              <tr>
                <th>Topic</th>
                <th class="number">Comes in</th>
                <th class="number">Waiting</th>
                <th class="number">Kept</th>
                <th class="number">Partitions</th>
              </tr>
            </thead>
            <tbody>
              {topics.map(([name, { lag = 0, kept, partitions }]) => (
                <tr key={name}>
                  <td>{name}</td>
                  <td class="number">{rate(live.topicRates[name] ?? 0)}</td>
                  <td class="number">{count(lag)}</td>
                  <td class="number">{count(kept)}</td>
                  <td class="number">{partitions}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </Card>
  );
}

function DeadLetters({ flow, mayOperate }: { readonly flow: Flow; readonly mayOperate: boolean }) {
  const topic = flow.deadLetterTopic;
  const { records, error, isLoading, more, again } = useRecords(topic, 20);
  const kept = flow.topics[topic]?.kept ?? 0;
  return (
    <Card
      title="Dead letters"
      aside={
        <button type="button" class="button" onClick={again} disabled={isLoading}>
          Look again
        </button>
      }
    >
      <p class="muted">
        Records that could not be used, with what came and why. Mend the code, the mapping or the
        source; then replay them. Each is written back once, and what fails again says so.
      </p>
      {mayOperate && kept > 0 && <Replay done={again} />}
      {error !== undefined ? (
        <Problem {...{ error, again }} />
      ) : records.length === 0 ? (
        isLoading ? (
          <Loading what="Reading the dead letters" />
        ) : (
          <Empty title="No dead letters">Everything that came could be read.</Empty>
        )
      ) : (
        <>
          <ul class="letters">
            {records.map(({ partition, offset, timestamp, key, value, headers }) => (
              <li key={`${partition} ${offset}`}>
                <header>
                  <b>{headers['reason'] ?? 'no reason given'}</b>
                  <span class="muted">
                    {reasonText(headers['stage'] ?? '')} · {headers['step']}
                    {timestamp > 0 && ` · ${instant(timestamp)}`}
                  </span>
                </header>
                <Value text={value} />
                <div class="muted">
                  from {headers['topic'] ?? 'a source'}
                  {headers['partition'] !== undefined && `, partition ${headers['partition']}`}
                  {headers['offset'] !== undefined && `, offset ${headers['offset']}`}
                  {key !== null && `, key ${key}`}
                </div>
              </li>
            ))}
          </ul>
          <div class="more">
            <span class="muted">
              {count(records.length)} of {plural(kept, 'dead letter')}
            </span>
            <Older more={more} isLoading={isLoading} />
          </div>
        </>
      )}
    </Card>
  );
}
