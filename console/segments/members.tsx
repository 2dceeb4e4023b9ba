/** The members of a segment, page by page and as a file. */
import { useEffect, useState } from 'preact/hooks';
import { AskError, ask } from '../lib/api.ts';
import { count, plural } from '../lib/format.ts';
import { Card, Empty, Loading, Problem } from '../lib/parts.tsx';
import { linkTo } from '../lib/place.ts';

interface Page {
  readonly members: readonly string[];
  readonly next?: string;
}

const pageSize = 60;
/** Size of a page of the file; and the most names, so that they fit into the window's memory. */
const filePage = 1_000;
const fileMost = 500_000;

/**
 * Members in the order of their names. An older server answers with all of them, which are cut into
 * pages here.
 */
async function pageOf(
  segment: string,
  limit: number,
  cursor: string | undefined,
  signal?: AbortSignal,
): Promise<Page> {
  const from = cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`;
  const options = signal === undefined ? {} : { signal };
  try {
    const path = `/v1/segments/${encodeURIComponent(segment)}/members`;
    return await ask<Page>(`${path}?limit=${limit}${from}`, options);
  } catch (error) {
    if (!(error instanceof AskError) || error.status !== 404) throw error;
    const at = new Date(Date.now()).toISOString();
    const query = new URLSearchParams({ segment, at });
    const answer = await ask<{ segments: readonly { knownNow: readonly string[] }[] }>(
      `/segment/as-of?${query}`,
      options,
    );
    const all = answer.segments[0]?.knownNow ?? [];
    const start = Number(cursor ?? 0);
    const members = all.slice(start, start + limit);
    const isLast = start + limit >= all.length;
    return isLast ? { members } : { members, next: String(start + limit) };
  }
}

export function Members({ segment, size }: { readonly segment: string; readonly size: number }) {
  const [members, setMembers] = useState<readonly string[]>([]);
  const [next, setNext] = useState<string>();
  const [error, setError] = useState<AskError>();
  const [isLoading, setLoading] = useState(true);
  const [saved, setSaved] = useState<string>();
  const load = async (cursor: string | undefined, known: readonly string[]) => {
    setLoading(true);
    try {
      const page = await pageOf(segment, pageSize, cursor);
      setMembers([...known, ...page.members]);
      setNext(page.next);
      setError(undefined);
    } catch (problem) {
      setError(problem instanceof AskError ? problem : new AskError(0, String(problem)));
    }
    setLoading(false);
  };
  useEffect(() => void load(undefined, []), [segment]);
  const save = async () => {
    const all: string[] = [];
    try {
      for (let cursor: string | undefined; ; ) {
        const page = await pageOf(segment, filePage, cursor);
        all.push(...page.members);
        setSaved(`${count(all.length)} of ${count(size)} …`);
        cursor = page.next;
        if (cursor === undefined) break;
        if (all.length >= fileMost) {
          throw new AskError(
            0,
            `The segment has more than ${count(fileMost)} people: read the topic segment-states instead.`,
          );
        }
      }
    } catch (problem) {
      setSaved(undefined);
      setError(problem instanceof AskError ? problem : new AskError(0, String(problem)));
      return;
    }
    const text = `subject\n${all.map(cell).join('\n')}\n`;
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([text], { type: 'text/csv' }));
    link.download = `${segment}.csv`;
    link.click();
    URL.revokeObjectURL(link.href);
    setSaved(`${plural(all.length, 'person', 'people')} saved`);
  };
  return (
    <Card
      title="Members"
      aside={
        <>
          <span class="muted" role="status">
            {saved}
          </span>
          <button type="button" class="button" onClick={() => void save()} disabled={size === 0}>
            Save as CSV
          </button>
        </>
      }
    >
      {error !== undefined ? (
        <Problem {...{ error, again: () => void load(undefined, []) }} />
      ) : members.length === 0 ? (
        isLoading ? (
          <Loading what="Looking who is in it" />
        ) : (
          <Empty title="Nobody is in it now" />
        )
      ) : (
        <>
          <ul class="members">
            {members.map((name) => (
              <li key={name}>
                <a href={linkTo('people', name)}>{name}</a>
              </li>
            ))}
          </ul>
          <div class="more">
            <span class="muted">
              {count(members.length)} of{' '}
              {plural(Math.max(size, members.length), 'person', 'people')}
            </span>
            {next !== undefined && (
              <button
                type="button"
                class="button"
                onClick={() => void load(next, members)}
                disabled={isLoading}
              >
                Show more
              </button>
            )}
          </div>
        </>
      )}
    </Card>
  );
}

/** Quotes a cell when needed; text that a spreadsheet would run as a formula is made plain text. */
function cell(name: string): string {
  const text = /^[=+\-@\t\r]/.test(name) ? `'${name}` : name;
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
