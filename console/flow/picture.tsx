/** The graph as a picture: boxes, which the keyboard reaches, over lines. */
import { useMemo } from 'preact/hooks';
import { brief, count, rate } from '../lib/format.ts';
import type { Live } from '../lib/live.ts';
import { type Box, type Graph, type Line, troubleOf } from './graph.ts';
import { type Layout, layOut } from './layout.ts';

const nodeWidth = 196;
const layerGap = 64;

interface Props {
  readonly graph: Graph;
  readonly live: Live;
  /** Whether the boxes are stacked. */
  readonly down: boolean;
  readonly chosen: string | undefined;
  readonly choose: (id: string) => void;
}

export function Picture({ graph, live, down, chosen, choose }: Props) {
  const layout = useMemo(() => {
    const straight = graph.lines.filter(({ back }) => back !== true);
    return layOut(
      graph.boxes.map(({ id }) => id),
      straight.map(({ from, to }) => [from, to] as const),
      {
        ...{ nodeWidth, layerGap, nodeGap: down ? 34 : 18, down },
        heightOf: (id) => heightOf(graph.boxes.find((box) => box.id === id)),
      },
    );
  }, [graph, down]);
  const hasBack = graph.lines.some(({ back }) => back === true);
  const height = layout.height + (hasBack && !down ? 34 : 0);
  return (
    <div class="picture" style={{ width: `${layout.width}px`, height: `${height}px` }}>
      <svg
        width={layout.width}
        height={height}
        viewBox={`0 0 ${layout.width} ${height}`}
        aria-hidden="true"
      >
        {graph.lines.map((line) => (
          <Wire key={`${line.from} ${line.to}`} {...{ line, graph, layout, down, live }} />
        ))}
      </svg>
      <ol class="boxes" aria-label="Topics and steps, in the order of the flow">
        {graph.boxes
          .map((box) => ({ box, at: layout.nodes.get(box.id) }))
          .sort((a, b) => (a.at?.layer ?? 0) - (b.at?.layer ?? 0))
          .map(({ box, at }) => (
            <li
              key={box.id}
              style={{
                left: `${at?.x ?? 0}px`,
                top: `${at?.y ?? 0}px`,
                width: `${nodeWidth}px`,
                height: `${heightOf(box)}px`,
              }}
            >
              <Node {...{ box, live, isChosen: chosen === box.id, choose }} />
            </li>
          ))}
      </ol>
    </div>
  );
}

function heightOf(box: Box | undefined): number {
  return (box?.node?.stores.length ?? 0) > 0 ? 92 : 66;
}

function Node({
  box,
  live,
  isChosen,
  choose,
}: {
  readonly box: Box;
  readonly live: Live;
  readonly isChosen: boolean;
  readonly choose: (id: string) => void;
}) {
  const { flow, topicRates } = live;
  const { dropped, deadLettered } = troubleOf(box, flow);
  const state = box.topic === undefined ? undefined : flow?.topics[box.topic];
  const lag = box.type === 'source' ? (state?.lag ?? 0) : 0;
  const speed = box.topic === undefined ? undefined : topicRates[box.topic];
  return (
    <button
      type="button"
      class={`node ${box.type}`}
      aria-pressed={isChosen}
      onClick={() => choose(box.id)}
    >
      <span class="node-title">{box.title}</span>
      <span class="node-line">
        <span class="node-what">{box.what}</span>
        {speed !== undefined && <span class="node-rate">{rate(speed)}</span>}
      </span>
      {box.node !== undefined && box.node.stores.length > 0 && (
        <span class="node-stores">
          {box.node.stores.map(({ name }) => (
            <span key={name} class="store">
              {name}
            </span>
          ))}
        </span>
      )}
      {(lag > 0 || dropped > 0 || deadLettered > 0) && (
        <span class="node-badges">
          {lag > 0 && <span class="badge warn">{brief(lag)} waiting</span>}
          {dropped > 0 && (
            <span class="badge warn" title={`${count(dropped)} records had no effect`}>
              {brief(dropped)} dropped
            </span>
          )}
          {deadLettered > 0 && <span class="badge bad">{brief(deadLettered)} refused</span>}
        </span>
      )}
    </button>
  );
}

function Wire({
  line,
  graph,
  layout,
  down,
  live,
}: {
  readonly line: Line;
  readonly graph: Graph;
  readonly layout: Layout;
  readonly down: boolean;
  readonly live: Live;
}) {
  const [from, to] = [layout.nodes.get(line.from), layout.nodes.get(line.to)];
  if (from === undefined || to === undefined) return null;
  const height = (id: string) => heightOf(graph.boxes.find((box) => box.id === id));
  const moving = line.topic === undefined ? undefined : live.topicRates[line.topic];
  const lag = line.topic === undefined ? 0 : (live.flow?.topics[line.topic]?.lag ?? 0);
  const classes = `wire ${line.topic === undefined ? '' : 'travels'} ${line.back === true ? 'back' : ''}`;
  if (down) {
    // The boxes fill the width: only neighbours are joined by lines; the details list the rest.
    if (line.back === true || to.y - from.y - height(line.from) > 40) return null;
    const x = nodeWidth / 2;
    return <path class={classes} d={`M${x} ${from.y + height(line.from)}V${to.y}`} />;
  }
  if (line.back === true) {
    const bottom = layout.height + 22;
    const [x1, y1] = [from.x + nodeWidth / 2, from.y + height(line.from)];
    const [x2, y2] = [to.x + nodeWidth / 2, to.y + height(line.to)];
    return <path class={classes} d={`M${x1} ${y1}C${x1} ${bottom} ${x2} ${bottom} ${x2} ${y2}`} />;
  }
  const [x1, y1] = [from.x + nodeWidth, from.y + height(line.from) / 2];
  const [x2, y2] = [to.x, to.y + height(line.to) / 2];
  const bend = Math.max(24, (x2 - x1) / 2);
  return (
    <g>
      <path class={classes} d={`M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`} />
      {moving !== undefined && (
        <text class="wire-text" x={(x1 + x2) / 2} y={(y1 + y2) / 2 - 6}>
          {rate(moving)}
          {lag > 0 ? ` · ${brief(lag)} waiting` : ''}
        </text>
      )}
    </g>
  );
}
