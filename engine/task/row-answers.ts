/** Serves queries for the rows of one task, in the thread that has them. */
import { plainOf } from '../base/plain.ts';
import type { Topology } from '../graph/graph.ts';
import type { StoreRow, StoreSpec } from '../graph/store-spec.ts';
import type { SubTopology } from '../graph/sub-topology.ts';
import { type ShowRow, shownBy, storesOf } from '../graph/view.ts';
import { decodeKeyText } from '../serde/serde.ts';
import type { CellOf, KeyRange } from '../state/committed-reads.ts';
import type { TaskState } from '../state/task-state.ts';

export interface RowQuestion {
  /** A store or a view. */
  readonly table: string;
  /** A store that the table derives from; its keys are the rows' keys. */
  readonly store: string;
  /** The topology export that formats the rows, if any. */
  readonly name: string;
  /** For the author's `show`. */
  readonly args?: unknown;
  /** One key, by the id of its bytes. */
  readonly keyText?: string | undefined;
  /** Otherwise keys in a range, with a limit. */
  readonly range?: KeyRange | undefined;
  readonly limit?: number | undefined;
  /**
   * The last commit known to be in the log, which may not be acknowledged to the task yet; default
   * 0.
   */
  readonly logged?: number | undefined;
  /** Only rows of windows that overlap [from, to), ms UTC. */
  readonly window?: { readonly from: number; readonly to: number } | undefined;
}

/** A row as plain data. */
export interface ShownRow {
  readonly key: unknown;
  readonly value: unknown;
  /** ms UTC. */
  readonly window?: { readonly start: number; readonly end: number };
  /** ms UTC of the newest record in the value, when known. */
  readonly timestamp?: number;
}

export interface RowAnswer {
  readonly rows: readonly ShownRow[];
  /** Id of the key after which to continue; absent if there are no more. */
  readonly next?: string;
  /** The result includes all commits up to this one; 0 before the first. */
  readonly commit: number;
  /** The task's time at that commit, ms UTC; null before the first record. */
  readonly watermark: number | null;
}

/** A task's time at each commit. */
export class AsOfCommits {
  readonly #underWay: { readonly commitId: number; readonly watermark: number }[] = [];
  #watermark: number;

  /** @param watermark at the last commit before the task was opened, ms UTC */
  constructor(watermark: number) {
    this.#watermark = watermark;
  }

  sealed(commitId: number, watermark: number): void {
    this.#underWay.push({ commitId, watermark });
  }

  committed(commitId: number): void {
    while ((this.#underWay[0]?.commitId ?? Number.POSITIVE_INFINITY) <= commitId) {
      this.#watermark = this.#underWay.shift()?.watermark ?? this.#watermark;
    }
  }

  get watermark(): number | null {
    return Number.isFinite(this.#watermark) ? this.#watermark : null;
  }
}

interface Asked {
  readonly state: TaskState;
  readonly part: SubTopology;
  readonly asOf: AsOfCommits;
}

export async function answerRows(
  topology: Topology,
  { state, part, asOf }: Asked,
  question: RowQuestion,
): Promise<RowAnswer> {
  const { table, store, name, keyText, range = {}, limit = 1, window, args, logged } = question;
  const commit = part.stores.reduce(
    (last, spec) => Math.max(last, state.meta(spec.name).commitId),
    state.commitId,
  );
  const { watermark } = asOf;
  const found =
    keyText === undefined
      ? await state.reads.keysIn(store, range, limit)
      : { keyTexts: [keyText], more: false };
  const { keyTexts, more } = found;
  const specs = new Map(part.stores.map((spec) => [spec.name, spec]));
  const show = shownBy(topology, name);
  const rowsIn = (cellOf: CellOf) => {
    const all = rowsOf(topology, { specs, cellOf, keyTexts }, table, false);
    const kept = window === undefined ? all : all.filter((row) => overlaps(row, window));
    return kept.flatMap((row) => shown(row, show, args) ?? []);
  };
  const rows = await state.reads.read(storesOf(topology, table), keyTexts, rowsIn, logged);
  const next = more ? keyTexts.at(-1) : undefined;
  return { rows, commit, watermark, ...(next === undefined ? {} : { next }) };
}

interface Cells {
  readonly specs: ReadonlyMap<string, StoreSpec<unknown, unknown>>;
  readonly cellOf: CellOf;
  readonly keyTexts: readonly string[];
}

function rowsOf(topology: Topology, cells: Cells, table: string, newestOnly: boolean): StoreRow[] {
  const view = topology.views.get(table);
  if (view !== undefined && typeof view.rows !== 'string') {
    const newest = newestOnly || view.newestOnly;
    return view.rows(view.of.map((one) => rowsOf(topology, cells, one, newest)));
  }
  const spec = cells.specs.get(table);
  if (spec === undefined) return [];
  return cells.keyTexts.flatMap((keyText) => {
    const cell = cells.cellOf(table, keyText);
    if (cell === undefined) return [];
    const key = decodeKeyText(spec.key, keyText);
    const rows = newestOnly ? (spec.newestRows ?? spec.rows) : spec.rows;
    return [...rows.call(spec, cell, key)];
  });
}

function overlaps(
  { window }: StoreRow,
  { from, to }: { readonly from: number; readonly to: number },
): boolean {
  if (window === undefined) return false;
  // A window of one instant, such as a session of one event, contains that instant.
  return window.start < to && (window.end > from || window.start >= from);
}

function shown(row: StoreRow, show: ShowRow | undefined, args: unknown): ShownRow | undefined {
  const { key, window, timestamp } = row;
  const value = show === undefined ? row.value : show(row, args);
  if (show !== undefined && value === undefined) return undefined;
  return {
    key: plainOf(key) ?? null,
    value: plainOf(value) ?? null,
    ...(window === undefined ? {} : { window: { start: window.start, end: window.end } }),
    ...(timestamp === undefined || !Number.isFinite(timestamp) ? {} : { timestamp }),
  };
}
