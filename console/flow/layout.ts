/**
 * Places the nodes of an acyclic graph in layers, after Sugiyama: each node is behind all that it
 * reads, neighbours are at similar heights, and few lines cross.
 */

export interface Placed {
  readonly id: string;
  /** The upper left corner, px. */
  readonly x: number;
  readonly y: number;
  readonly layer: number;
}

export interface Layout {
  readonly nodes: ReadonlyMap<string, Placed>;
  readonly width: number;
  readonly height: number;
}

export interface LayoutOptions {
  readonly nodeWidth: number;
  readonly heightOf: (id: string) => number;
  readonly layerGap: number;
  readonly nodeGap: number;
  /** Layers go down instead of right, for narrow screens. */
  readonly down?: boolean;
}

type Edge = readonly [from: string, to: string];

const sweeps = 12;

export function layOut(
  ids: readonly string[],
  edges: readonly Edge[],
  options: LayoutOptions,
): Layout {
  const layers = layersOf(ids, edges);
  const ordered = ordersOf(ids, edges, layers);
  return options.down === true
    ? downwards(ordered, layers, options)
    : sideways(ordered, edges, layers, options);
}

/** The length of the longest path to each node; a circle is cut where it was entered. */
function layersOf(ids: readonly string[], edges: readonly Edge[]): Map<string, number> {
  const before = new Map<string, string[]>(ids.map((id) => [id, []]));
  for (const [from, to] of edges) if (before.has(from)) before.get(to)?.push(from);
  const layers = new Map<string, number>();
  const open = new Set<string>();
  const layerOf = (id: string): number => {
    const known = layers.get(id);
    if (known !== undefined) return known;
    if (open.has(id)) return 0;
    open.add(id);
    const all = (before.get(id) ?? []).map((one) => layerOf(one) + 1);
    const layer = Math.max(0, ...all);
    layers.set(id, layer);
    return layer;
  };
  for (const id of ids) layerOf(id);
  return layers;
}

/**
 * The order of the nodes of each layer, by the mean place of their neighbours, in sweeps there and
 * back.
 */
function ordersOf(
  ids: readonly string[],
  edges: readonly Edge[],
  layers: ReadonlyMap<string, number>,
): string[][] {
  const rows: string[][] = [];
  for (const id of ids) {
    const layer = layers.get(id) ?? 0;
    rows[layer] = [...(rows[layer] ?? []), id];
  }
  const neighbours = new Map<string, string[]>(ids.map((id) => [id, []]));
  for (const [from, to] of edges) {
    neighbours.get(from)?.push(to);
    neighbours.get(to)?.push(from);
  }
  const place = new Map<string, number>();
  const note = (row: readonly string[]) => {
    row.forEach((id, i) => {
      place.set(id, (i + 0.5) / row.length);
    });
  };
  for (const row of rows) note(row);
  for (let sweep = 0; sweep < sweeps; sweep++) {
    const forward = sweep % 2 === 0;
    for (const row of forward ? rows : [...rows].reverse()) {
      const wanted = new Map(
        row.map((id) => {
          const near = (neighbours.get(id) ?? []).filter((one) => {
            const [a = 0, b = 0] = [layers.get(one), layers.get(id)];
            return forward ? a < b : a > b;
          });
          const mean = near.reduce((sum, one) => sum + (place.get(one) ?? 0), 0) / near.length;
          return [id, near.length === 0 ? (place.get(id) ?? 0) : mean] as const;
        }),
      );
      row.sort((a, b) => (wanted.get(a) ?? 0) - (wanted.get(b) ?? 0));
      note(row);
    }
  }
  return rows;
}

function sideways(
  rows: readonly (readonly string[])[],
  edges: readonly Edge[],
  layers: ReadonlyMap<string, number>,
  { nodeWidth, heightOf, layerGap, nodeGap }: LayoutOptions,
): Layout {
  const y = new Map<string, number>();
  for (const row of rows) {
    let top = 0;
    for (const id of row) {
      y.set(id, top);
      top += heightOf(id) + nodeGap;
    }
  }
  const middle = (id: string) => (y.get(id) ?? 0) + heightOf(id) / 2;
  for (let sweep = 0; sweep < sweeps * 2; sweep++) {
    for (const row of sweep % 2 === 0 ? rows : [...rows].reverse()) {
      for (const id of row) {
        const near = edges.flatMap(([from, to]) => {
          if (from === id) return [middle(to)];
          return to === id ? [middle(from)] : [];
        });
        if (near.length === 0) continue;
        const mean = near.reduce((sum, one) => sum + one, 0) / near.length;
        y.set(id, mean - heightOf(id) / 2);
      }
      keepApart(row, y, heightOf, nodeGap);
    }
  }
  const least = Math.min(0, ...y.values());
  const nodes = new Map<string, Placed>();
  let height = 0;
  for (const row of rows) {
    for (const id of row) {
      const layer = layers.get(id) ?? 0;
      const top = Math.round((y.get(id) ?? 0) - least);
      nodes.set(id, { id, layer, x: layer * (nodeWidth + layerGap), y: top });
      height = Math.max(height, top + heightOf(id));
    }
  }
  const width = Math.max(0, rows.length * (nodeWidth + layerGap) - layerGap);
  return { nodes, width, height };
}

/** Moves the nodes of a layer apart without moving their centre. */
function keepApart(
  row: readonly string[],
  y: Map<string, number>,
  heightOf: (id: string) => number,
  gap: number,
): void {
  const wanted = row.map((id) => y.get(id) ?? 0);
  let bottom = Number.NEGATIVE_INFINITY;
  row.forEach((id, i) => {
    const top = Math.max(wanted[i] ?? 0, bottom);
    y.set(id, top);
    bottom = top + heightOf(id) + gap;
  });
  const shift =
    row.reduce((sum, id, i) => sum + (wanted[i] ?? 0) - (y.get(id) ?? 0), 0) / row.length;
  for (const id of row) y.set(id, (y.get(id) ?? 0) + shift);
}

function downwards(
  rows: readonly (readonly string[])[],
  layers: ReadonlyMap<string, number>,
  { nodeWidth, heightOf, nodeGap }: LayoutOptions,
): Layout {
  const nodes = new Map<string, Placed>();
  let top = 0;
  for (const row of rows) {
    for (const id of row) {
      nodes.set(id, { id, layer: layers.get(id) ?? 0, x: 0, y: top });
      top += heightOf(id) + nodeGap;
    }
  }
  return { nodes, width: nodeWidth, height: Math.max(0, top - nodeGap) };
}
