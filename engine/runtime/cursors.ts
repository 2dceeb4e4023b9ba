/** The cursor topic: the position in each source, and the deployment. Compacted. */
import { assert } from '../base/assert.ts';
import { cursorTopic } from '../graph/topic-names.ts';
import type { Append, Log } from '../log/log.ts';
import { BatchBuilder } from '../record/batch.ts';

/** Cursor of the deployment, store by store; see graph/deployment.ts. */
export const deploymentCursor = 'deployment';

export async function readCursors(log: Log, application: string): Promise<Map<string, unknown>> {
  const at = { topic: cursorTopic(application), partition: 0 };
  const cursors = new Map<string, unknown>();
  const end = await log.endOffset(at);
  for (let from = await log.startOffset(at); from < end; ) {
    const batch = await log.read(at, from, { records: 1024 });
    if (batch === undefined) break;
    for (let i = 0; i < batch.count; i++) {
      const [key, value] = [batch.key(i), batch.value(i)];
      if (key === null) continue;
      if (value === null) cursors.delete(key.toString());
      else cursors.set(key.toString(), JSON.parse(value.toString()));
    }
    assert(batch.nextOffset > from, 'a read goes forward');
    from = batch.nextOffset;
  }
  return cursors;
}

/** @param cursors by name; undefined deletes a cursor */
export function cursorAppend(application: string, cursors: ReadonlyMap<string, unknown>): Append {
  const builder = new BatchBuilder();
  for (const [name, value] of cursors) {
    const bytes = value === undefined ? null : Buffer.from(JSON.stringify(value));
    builder.append(Buffer.from(name), bytes, 0);
  }
  return { topic: cursorTopic(application), partition: 0, batch: builder.finishAt(0) };
}
