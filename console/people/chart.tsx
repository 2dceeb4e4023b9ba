/** Score and segments of a person on one axis of time. */
import { useMemo, useState } from 'preact/hooks';
import type uPlot from 'uplot';
import { day, from as fromNow, instant, plural } from '../lib/format.ts';
import { axisRight, axisWidth, Legend, Plot } from '../lib/plot.tsx';
import { colour } from '../lib/theme.ts';
import { doing } from '../lib/words.ts';
import type { Interval, Mark, SegmentStory, Story } from './story.ts';

const colours = ['curve-1', 'curve-2', 'curve-3', 'curve-4', 'curve-5', 'curve-6'];

interface Props {
  readonly story: Story;
  readonly zoom: (span: Interval | undefined) => void;
  readonly isZoomed: boolean;
  readonly chosen: string | undefined;
  readonly choose: (segment: string) => void;
}

export function Chart({ story, zoom, isZoomed, chosen, choose }: Props) {
  const [hovered, setHovered] = useState<number>();
  const { curve, at, from, to, marks, gated, bounds } = story;
  const channels = useMemo(
    () => [...new Set([...story.score.channels.map(({ channel }) => channel)])],
    [story],
  );
  const colourOf = (channel: string) =>
    colours[Math.max(0, channels.indexOf(channel)) % colours.length] ?? 'curve-1';
  const times = curve.map(([one]) => one);
  const lines = [
    {
      ...{ label: 'score so far', colour: 'ink', stepped: true },
      values: curve.map(([one, score]) => (one <= at ? score : null)),
    },
    {
      ...{ label: 'if nothing more happens', colour: 'muted', stepped: true, dash: [5, 4] },
      values: curve.map(([one, score]) => (one >= at ? score : null)),
    },
  ];
  const under = (u: uPlot) => {
    const { ctx } = u;
    const { left, top, width, height } = u.bbox;
    const x = (one: number) => u.valToPos(one / 1_000, 'x', true);
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, top, width, height);
    ctx.clip();
    // Bands of the score; higher bands are darker.
    bounds.forEach((bound, i) => {
      const next = bounds[i + 1]?.from ?? 100;
      const [y1, y2] = [u.valToPos(next, 'y', true), u.valToPos(bound.from, 'y', true)];
      ctx.globalAlpha = 0.05 + 0.05 * i;
      ctx.fillStyle = colour('curve-1');
      ctx.fillRect(left, y1, width, y2 - y1);
    });
    ctx.globalAlpha = 0.16;
    ctx.fillStyle = colour('bad');
    for (const [start, end] of gated) ctx.fillRect(x(start), top, x(end) - x(start), height);
    ctx.globalAlpha = 1;
    ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
    ctx.fillStyle = colour('muted');
    ctx.textAlign = 'right';
    bounds.forEach((bound, i) => {
      const next = bounds[i + 1]?.from ?? 100;
      const y = u.valToPos((bound.from + next) / 2, 'y', true);
      ctx.fillText(bound.name, left + width - 6 * devicePixelRatio, y + 4 * devicePixelRatio);
    });
    ctx.strokeStyle = colour('strong-line');
    ctx.lineWidth = devicePixelRatio;
    ctx.beginPath();
    ctx.moveTo(x(at), top);
    ctx.lineTo(x(at), top + height);
    ctx.stroke();
    ctx.restore();
  };
  const shown = hovered === undefined ? at : Math.min(Math.max(hovered, from), to);
  const score = curve.findLast(([one]) => one <= shown)?.[1] ?? curve[0]?.[1] ?? 0;
  const near = nearestMarks(marks, hovered, (to - from) / 90);
  return (
    <div class="chart">
      <div class="chart-head">
        <p class="chart-now" aria-live="off">
          <b>{score}</b> {hovered === undefined ? 'at the last event' : `on ${instant(shown)}`}
          {shown > at && <span class="muted"> if nothing more happens</span>}
          {near.length > 0 && <span class="muted"> · {near.map(markText).join(', ')}</span>}
        </p>
        <span class="chart-tools">
          {isZoomed ? (
            <button type="button" class="button" onClick={() => zoom(undefined)}>
              Whole time
            </button>
          ) : (
            <button
              type="button"
              class="button"
              onClick={() => zoom([at - 14 * 86_400_000, at + 7 * 86_400_000])}
            >
              Last 14 days
            </button>
          )}
        </span>
      </div>
      <Plot
        {...{ times, lines, height: 240, max: 100, under, onHover: setHovered }}
        onSelect={(start, end) => zoom([start, end])}
        title={`Score over time: ${story.score.score} at ${instant(at)}, from ${day(from)} to ${day(to)}`}
      />
      <Track {...{ from, to, at, label: 'What they did', isFirst: true }}>
        {marks.map((mark) => (
          <i
            key={`${mark.class} ${mark.at}`}
            class="mark"
            title={`${markText(mark)}, ${instant(mark.at)}`}
            style={{
              left: `${share(mark.at, from, to)}%`,
              background: `var(--${colourOf(mark.channel)})`,
            }}
          />
        ))}
      </Track>
      <Bars {...{ story, chosen, choose }} />
      <div class="chart-foot">
        <Legend
          lines={[
            ...channels.map((channel) => ({ label: channel, colour: colourOf(channel) })),
            ...(gated.length > 0
              ? [{ label: `${story.gatedChannel} counts nothing`, colour: 'bad' }]
              : []),
          ]}
        />
        <span class="muted">
          {day(from)} – {day(to)}. The line marks the last event; what is right of it comes if
          nothing more happens. Drag over the curve to look closer.
        </span>
      </div>
    </div>
  );
}

function markText({ class: name, items }: Mark): string {
  return items === 1 ? doing(name) : `${doing(name)} (${items})`;
}

function nearestMarks(marks: readonly Mark[], at: number | undefined, reach: number): Mark[] {
  if (at === undefined) return [];
  return marks
    .filter((mark) => Math.abs(mark.at - at) < reach)
    .sort((a, b) => Math.abs(a.at - at) - Math.abs(b.at - at))
    .slice(0, 3);
}

function share(at: number, from: number, to: number): number {
  return (100 * (Math.min(Math.max(at, from), to) - from)) / (to - from);
}

function Track({
  label,
  from,
  to,
  at,
  children,
}: {
  readonly label: string;
  readonly from: number;
  readonly to: number;
  readonly at: number;
  readonly isFirst?: boolean;
  readonly children: preact.ComponentChildren;
}) {
  return (
    <div class="track-row">
      <div class="track-label" style={{ paddingLeft: `${axisWidth}px` }}>
        {label}
      </div>
      <div class="track" style={{ marginLeft: `${axisWidth}px`, marginRight: `${axisRight}px` }}>
        {children}
        <i class="track-now" style={{ left: `${share(at, from, to)}%` }} />
      </div>
    </div>
  );
}

/** Of so many segments all are shown; of more those that the person is in within the picture. */
const barsFirst = 12;

function Bars({ story, chosen, choose }: Pick<Props, 'story' | 'chosen' | 'choose'>) {
  const [isWhole, setWhole] = useState(false);
  const { segments } = story;
  const shown =
    isWhole || segments.length <= barsFirst
      ? segments
      : segments.filter((one) => one.in || one.intervals.length > 0 || one.id === chosen);
  const rest = segments.length - shown.length;
  return (
    <>
      {shown.map((segment) => (
        <Bar
          key={segment.id}
          {...{ segment, story, isChosen: chosen === segment.id }}
          choose={() => choose(segment.id)}
        />
      ))}
      {rest > 0 && (
        <button type="button" class="button" onClick={() => setWhole(true)}>
          Show {plural(rest, 'segment')} that this person is not in
        </button>
      )}
    </>
  );
}

function Bar({
  segment,
  story,
  isChosen,
  choose,
}: {
  readonly segment: SegmentStory;
  readonly story: Story;
  readonly isChosen: boolean;
  readonly choose: () => void;
}) {
  const { from, to, at } = story;
  return (
    <div class="track-row">
      <button
        type="button"
        class="track-label bar-label"
        style={{ paddingLeft: `${axisWidth}px` }}
        aria-pressed={isChosen}
        onClick={choose}
      >
        <span class={segment.in ? 'dot in' : 'dot'} aria-hidden="true" />
        <span class="hidden">{segment.in ? 'in ' : 'not in '}</span>
        {segment.id}
        {segment.changesAt !== undefined && (
          <span class="muted">
            {segment.in ? 'until' : 'from'} {day(segment.changesAt)}
            {` (${fromNow(segment.changesAt, at)})`}
          </span>
        )}
        <span class="bar-why">Why?</span>
      </button>
      <div class="track" style={{ marginLeft: `${axisWidth}px`, marginRight: `${axisRight}px` }}>
        {segment.intervals.flatMap(([start, end]) =>
          parts(start, end, at).map(([one, other, isComing]) => (
            <i
              key={one}
              class={isComing ? 'bar coming' : 'bar'}
              title={`${segment.id}: ${instant(start)} – ${instant(end)}`}
              style={{
                left: `${share(one, from, to)}%`,
                width: `${share(other, from, to) - share(one, from, to)}%`,
              }}
            />
          )),
        )}
        <i class="track-now" style={{ left: `${share(at, from, to)}%` }} />
      </div>
    </div>
  );
}

/** Cuts an interval at the present: the part after it is a forecast. */
function parts(start: number, end: number, at: number): [number, number, boolean][] {
  if (end <= at) return [[start, end, false]];
  if (start >= at) return [[start, end, true]];
  return [
    [start, at, false],
    [at, end, true],
  ];
}
