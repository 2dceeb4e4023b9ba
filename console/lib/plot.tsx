/** A curve over time by uPlot, in the colours of the page. */
import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import { colour } from './theme.ts';

export interface Line {
  readonly label: string;
  /** A colour of the style sheet, by its name without dashes. */
  readonly colour: string;
  readonly values: readonly (number | null)[];
  readonly fill?: boolean;
  readonly stepped?: boolean;
  readonly dash?: readonly number[];
}

export interface PlotProps {
  /** ms UTC, ascending. */
  readonly times: readonly number[];
  readonly lines: readonly Line[];
  readonly height: number;
  /** Text alternative of the curve. */
  readonly title: string;
  readonly max?: number;
  readonly format?: (value: number) => string;
  /** Draws below the lines; in CSS pixels of the canvas times `devicePixelRatio`. */
  readonly under?: (plot: uPlot) => void;
  readonly over?: (plot: uPlot) => void;
  readonly onSelect?: (from: number, to: number) => void;
  readonly onHover?: (at: number | undefined) => void;
}

/** Space for the numbers at the left, px; charts below on the same axis keep it free, too. */
export const axisWidth = 46;
export const axisRight = 12;

export function Plot(props: PlotProps) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const [theme, setTheme] = useState(0);
  const now = useRef(props);
  now.current = props;
  useEffect(() => {
    const changed = () => setTheme((n) => n + 1);
    addEventListener('themechange', changed);
    return () => removeEventListener('themechange', changed);
  }, []);
  const shape = props.lines.map(({ label, colour: name }) => `${label} ${name}`).join();
  useEffect(() => {
    const element = place.current;
    if (element === null) return;
    const made = new uPlot(optionsOf(now, element.clientWidth), dataOf(now.current), element);
    plot.current = made;
    const sized = new ResizeObserver(() => {
      made.setSize({ width: element.clientWidth, height: now.current.height });
    });
    sized.observe(element);
    return () => {
      sized.disconnect();
      made.destroy();
      plot.current = undefined;
    };
  }, [theme, shape, props.height]);
  useEffect(() => {
    plot.current?.setData(dataOf(props));
  }, [props.times, props.lines, props.max]);
  return <div class="plot" ref={place} role="img" aria-label={props.title} />;
}

function dataOf({ times, lines }: PlotProps): uPlot.AlignedData {
  return [times.map((at) => at / 1_000), ...lines.map(({ values }) => [...values])];
}

function optionsOf(now: { readonly current: PlotProps }, width: number): uPlot.Options {
  const { lines, height, format = String } = now.current;
  const axis = {
    stroke: colour('muted'),
    grid: { stroke: colour('line'), width: 1 },
    ticks: { show: false },
    font: '11px system-ui, sans-serif',
  };
  return {
    width,
    height,
    padding: [10, axisRight, 0, 0],
    legend: { show: false },
    cursor: {
      drag: { x: now.current.onSelect !== undefined, y: false, setScale: false },
      points: { size: 7 },
    },
    scales: {
      x: { time: true },
      y: { range: (_, __, most) => [0, now.current.max ?? Math.max(1, most * 1.1)] },
    },
    axes: [
      { ...axis, size: 40, space: 74 },
      {
        ...axis,
        size: axisWidth,
        values: (_, all) => all.map((one) => (one === null ? '' : format(one))),
        space: 34,
      },
    ],
    series: [
      {},
      ...lines.map((line) => ({
        label: line.label,
        stroke: colour(line.colour),
        width: 2,
        points: { show: false },
        ...(line.fill === true ? { fill: `${colour(line.colour)}22` } : {}),
        ...(line.dash === undefined ? {} : { dash: [...line.dash] }),
        ...(line.stepped === true && uPlot.paths.stepped !== undefined
          ? { paths: uPlot.paths.stepped({ align: 1 }) }
          : {}),
      })),
    ],
    hooks: {
      drawClear: [(u) => now.current.under?.(u)],
      draw: [(u) => now.current.over?.(u)],
      setSelect: [
        (u) => {
          const { left, width: wide } = u.select;
          if (wide < 8) return;
          const [from, to] = [u.posToVal(left, 'x'), u.posToVal(left + wide, 'x')];
          u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          now.current.onSelect?.(from * 1_000, to * 1_000);
        },
      ],
      setCursor: [
        (u) => {
          const { left = -1 } = u.cursor;
          now.current.onHover?.(left < 0 ? undefined : u.posToVal(left, 'x') * 1_000);
        },
      ],
    },
  };
}

/** The meaning of the colours of the lines. */
export function Legend({ lines }: { readonly lines: readonly Pick<Line, 'label' | 'colour'>[] }) {
  return (
    <ul class="legend">
      {lines.map((line) => (
        <li key={line.label}>
          <i style={{ background: `var(--${line.colour})` }} aria-hidden="true" />
          {line.label}
        </li>
      ))}
    </ul>
  );
}
