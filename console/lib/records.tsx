/** Records of a topic, newest first, page by page. */
import { useEffect, useState } from 'preact/hooks';
import type { RecordPage, RecordText } from '../../engine/http/shown-records.ts';
import { AskError, ask } from './api.ts';
import { instant } from './format.ts';
import { Empty, Loading, Problem } from './parts.tsx';

export type { RecordText } from '../../engine/http/shown-records.ts';

export interface Pages {
  readonly records: readonly RecordText[];
  readonly error: AskError | undefined;
  readonly isLoading: boolean;
  /** Absent when the first record is shown. */
  readonly more: (() => void) | undefined;
  readonly again: () => void;
}

export function useRecords(topic: string | undefined, limit: number): Pages {
  const [records, setRecords] = useState<readonly RecordText[]>([]);
  const [before, setBefore] = useState<RecordPage['before']>();
  const [error, setError] = useState<AskError>();
  const [isLoading, setLoading] = useState(true);
  const load = async (from: RecordPage['before'] | undefined, known: readonly RecordText[]) => {
    if (topic === undefined) return;
    setLoading(true);
    const query = new URLSearchParams({ topic, limit: String(limit) });
    if (from !== undefined) {
      query.set(
        'before',
        Object.entries(from)
          .map(([p, offset]) => `${p}:${offset}`)
          .join(),
      );
    }
    try {
      const page = await ask<RecordPage>(`/console/api/records?${query}`);
      setRecords([...known, ...page.records]);
      setBefore(page.before);
      setError(undefined);
    } catch (problem) {
      setError(problem instanceof AskError ? problem : new AskError(0, String(problem)));
    }
    setLoading(false);
  };
  useEffect(() => {
    setRecords([]);
    setBefore(undefined);
    void load(undefined, []);
  }, [topic]);
  const hasMore = before !== undefined && Object.keys(before).length > 0;
  const more = hasMore ? () => void load(before, records) : undefined;
  return { records, error, isLoading, more, again: () => void load(undefined, []) };
}

export function Records({ topic }: { readonly topic: string }) {
  const { records, error, isLoading, more, again } = useRecords(topic, 10);
  if (error !== undefined) return <Problem {...{ error, again }} />;
  if (isLoading && records.length === 0) return <Loading what="Reading the topic" />;
  if (records.length === 0) return <Empty title="No records yet" />;
  return (
    <div class="records">
      {records.map((record) => (
        <article key={`${record.partition} ${record.offset}`} class="record">
          <header>
            <b>{record.key ?? 'no key'}</b>
            <span class="muted">
              {instant(record.timestamp)} · partition {record.partition}, offset {record.offset}
            </span>
          </header>
          <Value text={record.value} />
        </article>
      ))}
      {more !== undefined && (
        <button type="button" class="button" onClick={more} disabled={isLoading}>
          Older records
        </button>
      )}
    </div>
  );
}

/** JSON with its fields on lines of their own; other text as it is. */
export function Value({ text }: { readonly text: string | null }) {
  if (text === null) return <pre class="value muted">null: the key was deleted</pre>;
  let shown = text;
  try {
    shown = JSON.stringify(JSON.parse(text), null, 1).replace(/\n\s*/g, ' ');
  } catch {
    // The text is not JSON.
  }
  return <pre class="value">{shown}</pre>;
}
