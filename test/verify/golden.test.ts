/**
 * Real logs, when they are there: numbers found by other means, to the unit, and SQL over all of
 * them.
 */

import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { inputFiles } from '../../engine/cli/input-files.ts';
import { readConfig } from '../../topologies/app/configuration.ts';
import { readMapping } from '../../topologies/app/mappings.ts';
import type { SegmentChange } from '../../topologies/event.ts';
import type { Mapping } from '../../topologies/ingest/mapping.ts';
import type { SegmentText } from '../../topologies/segments/builder.ts';
import { defaultSegments } from '../../topologies/segments/examples.ts';
import { type EngineResult, standingEnds } from '../../topologies/verify/compare.ts';
import { emptyFolder } from '../process/millrace.ts';
import { runOver } from './engine-run.ts';

const data = process.env['MILLRACE_DATA'] ?? resolve(import.meta.dirname, '../../../shared/data');
const timeout = 600_000;

async function runOf(
  name: string,
  input: string,
  change: (mapping: Mapping) => Mapping = (mapping) => mapping,
  more: readonly SegmentText[] = [],
): Promise<EngineResult> {
  const mapping = change(await readMapping(name));
  const config = await readConfig(undefined, mapping);
  const files = (await inputFiles([join(data, input)])) ?? [];
  return runOver({
    directory: join(await emptyFolder(), 'data'),
    mapping,
    config: { ...config, segments: [...(config.segments ?? defaultSegments), ...more] },
    files,
    threads: 0,
  });
}

/** `entered / exited / members at the end` of a segment. */
function sizesOf({ changes }: EngineResult, id: string): string {
  const bySubject = new Map<string, SegmentChange[]>();
  for (const change of changes) {
    if (change.segment !== id) continue;
    const own = bySubject.get(change.user);
    if (own === undefined) bySubject.set(change.user, [change]);
    else own.push(change);
  }
  let [entered, exited] = [0, 0];
  for (const own of bySubject.values()) {
    for (const end of standingEnds(own)) {
      if (end.in) entered++;
      else exited++;
    }
  }
  return `${entered} / ${exited} / ${entered - exited}`;
}

/** A digest that was not opened within two days; for an hour, so that each one counts. */
function unopened(ties: 'causal' | 'strict'): SegmentText {
  const within = { key: 'subject', after: '48h', for: '1h' };
  return {
    id: `digest-unopened-${ties}`,
    version: 1,
    ties,
    when: { abandoned: { start: 'digest_sent', unless: 'email_open', ...within } },
  };
}

function withClass(mapping: Mapping, value: string, name: string): Mapping['class'] {
  const { class: classes } = mapping;
  if (typeof classes !== 'object' || !('map' in classes)) throw new Error('classes by a map');
  return { ...classes, map: { ...classes.map, [value]: name } };
}

describe.skipIf(!existsSync(data))('real logs', () => {
  test('online-retail', { timeout }, async () => {
    const result = await runOf('online-retail', 'online-retail');
    const orders = [...result.profiles.values()].map((profile) => {
      const { lines, forgotten } = profile.engagement.orders;
      return lines.size + forgotten.orders;
    });
    expect([result.profiles.size, orders.reduce((a, b) => a + b, 0)]).toEqual([4_339, 18_536]);
    expect(result.end).toBe(Date.UTC(2011, 11, 9, 12, 50));
    expect(sizesOf(result, 'buys-3-in-30d')).toBe('1685 / 1453 / 232');
    expect(sizesOf(result, 'no-purchase-30d')).toBe('8558 / 5868 / 2690');
    expect(sizesOf(result, 'no-purchase-30d-held-7d')).toBe('7444 / 4972 / 2472');
  });

  test('yammer-email-log', { timeout }, async () => {
    const result = await runOf(
      'yammer-email-log',
      'yammer-email-log/emails_reference_2014.csv.gz',
      // The digests apart from the other kind of message.
      (mapping) => ({ ...mapping, class: withClass(mapping, 'sent_weekly_digest', 'digest_sent') }),
      [unopened('causal'), unopened('strict')],
    );
    expect(result.profiles.size).toBe(6_179);
    expect(sizesOf(result, 'opens-2-in-7d')).toBe('476 / 454 / 22');
    expect(sizesOf(result, 'clicks-1-in-30d')).toBe('6657 / 4919 / 1738');
    // Opened in the minute in which it was sent: before or after, that is the question of ties.
    expect(sizesOf(result, 'digest-unopened-causal')).toBe('40064 / 40064 / 0');
    expect(sizesOf(result, 'digest-unopened-strict')).toBe('57255 / 57255 / 0');
  });

  test('wikipedia-edits: every edit of a robot is a machine’s', { timeout }, async () => {
    const folder = 'wikipedia-edits-2015-09-12';
    const result = await runOf(
      'wikipedia-edits',
      `${folder}/wikiticker-2015-09-12-sampled.json.gz`,
    );
    expect([result.profiles.size, result.labels.length]).toEqual([10_531, 15_420]);
  });
});
