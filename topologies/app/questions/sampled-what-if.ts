/** What-if over all subjects, or over a sample of them. */
import { checkPersonalisation, type PersonalisationConfig } from '../../personalisation.ts';
import { checkSize } from '../../segments/segment-plan.ts';
import { type WhatIf, whatIf } from '../../what-if.ts';
import type { SubjectSample } from './subject-sample.ts';

/** What-if, and of which subjects: absent when it is of all. */
export interface SampledWhatIf extends WhatIf {
  readonly sample?: { readonly subjects: number; readonly of: number };
}

/**
 * Two configurations over the same events. Throws CONFIG_INVALID for a segment that would be
 * smaller than it may be; of a sample, its size is that of the whole, about.
 * @param until ms UTC
 */
export async function whatIfOver(
  before: PersonalisationConfig,
  after: PersonalisationConfig,
  sample: SubjectSample,
  until: number,
): Promise<SampledWhatIf> {
  const { segments } = checkPersonalisation(after);
  const result = await whatIf(before, after, sample, until);
  const { subjects } = result.scores;
  const of = sample.population;
  const membersOf = new Map(result.segments.map(({ id, after: then }) => [id, then?.members ?? 0]));
  for (const segment of segments) {
    const members = membersOf.get(segment.id) ?? 0;
    checkSize(segment, sample.isWhole ? members : Math.round((members * of) / subjects));
  }
  return sample.isWhole ? result : { ...result, sample: { subjects, of } };
}
