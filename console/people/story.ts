/** What the server answers about a person; instants are ms UTC. */
import type { Explanation } from '../../topologies/segments/explain.ts';
import type { Interval } from '../../topologies/segments/timeline.ts';
import type { SubjectStory } from '../../topologies/subject/story.ts';
import { askAbout } from '../lib/api.ts';

export type { Explanation } from '../../topologies/segments/explain.ts';
export type { Interval } from '../../topologies/segments/timeline.ts';
export type { Coming, Mark, SegmentStory } from '../../topologies/subject/story.ts';

export interface Story extends SubjectStory {
  readonly subject: string;
}

export interface SegmentAnswer extends Explanation {
  readonly at: number;
  readonly records: Readonly<
    Record<string, { readonly topic: string; readonly partition: number; readonly offset: number }>
  >;
}

export function askStory(
  subject: string,
  span: Interval | undefined,
  signal: AbortSignal,
): Promise<Story> {
  const range: Record<string, string> =
    span === undefined
      ? {}
      : { from: String(Math.round(span[0])), to: String(Math.round(span[1])) };
  return askAbout('/subject/story', { subject, ...range }, signal);
}

export function askWhy(
  subject: string,
  segment: string,
  signal: AbortSignal,
): Promise<SegmentAnswer> {
  return askAbout('/segment/explain', { subject, segment }, signal);
}
