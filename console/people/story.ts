/** What is told of a person; instants in ms UTC. */
import { askAbout } from '../lib/api.ts';

export type Interval = readonly [from: number, to: number];

export interface Mark {
  readonly at: number;
  readonly class: string;
  readonly channel: string;
  readonly items: number;
  readonly which?: readonly string[];
}

export interface SegmentStory {
  readonly id: string;
  readonly version: number;
  readonly description?: string;
  readonly definition: Readonly<Record<string, unknown>> & {
    readonly when: Readonly<Record<string, unknown>>;
  };
  readonly in: boolean;
  readonly intervals: readonly Interval[];
  readonly changesAt?: number;
}

export type Coming =
  | { readonly at: number; readonly what: 'band'; readonly band: string }
  | { readonly at: number; readonly what: 'gate'; readonly shut: boolean }
  | {
      readonly at: number;
      readonly what: 'segment';
      readonly segment: string;
      readonly enters: boolean;
    };

export interface Story {
  readonly subject: string;
  readonly at: number;
  readonly from: number;
  readonly to: number;
  readonly curve: readonly (readonly [number, number])[];
  readonly bounds: readonly { readonly name: string; readonly from: number }[];
  readonly marks: readonly Mark[];
  readonly gated: readonly Interval[];
  readonly gatedChannel: string;
  readonly score: {
    readonly score: number;
    readonly band: string;
    readonly gateIsShut: boolean;
    readonly gateChangesAt?: number;
    readonly opensCountNothing: boolean;
    readonly changesAt?: number;
    readonly channels: readonly {
      readonly channel: string;
      readonly sub: number;
      readonly share: number;
      readonly left: number;
      readonly saturation: number;
      readonly hours: readonly {
        readonly class: string;
        readonly hour: number;
        readonly items: number;
        readonly counted: number;
        readonly points: number;
        readonly left: number;
      }[];
    }[];
  };
  readonly knownFrom?: number;
  readonly segments: readonly SegmentStory[];
  readonly consents: readonly {
    readonly purpose: string;
    readonly status: 'granted' | 'withdrawn' | 'unknown';
    readonly since?: number;
    readonly until?: number;
  }[];
  readonly traits: Readonly<Record<string, { readonly value: unknown; readonly since: number }>>;
  readonly coming: readonly Coming[];
  readonly mergedInto?: string;
  readonly absorbed?: readonly string[];
  readonly erased?: number;
}

export interface Explanation {
  readonly condition: string;
  readonly holds: boolean;
  readonly changesAt?: number;
  readonly parts: readonly Explanation[];
  readonly shared?: true;
  readonly witnesses?: readonly string[];
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
