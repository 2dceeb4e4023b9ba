/** What-if over all subjects, or over a sample of them. */
import { checkPersonalisation, type PersonalisationConfig } from '../../personalisation.ts';
import { checkSize } from '../../segments/segment-plan.ts';
import { type WhatIf, whatIf } from '../../what-if.ts';
import type { SubjectSample } from './subject-sample.ts';

/** What-if and its sample; `sample` is absent when all subjects were compared. */
export interface SampledWhatIf extends WhatIf {
  readonly sample?: { readonly subjects: number; readonly of: number };
}

/**
 * Compares two configurations over the same events. For a sample, sizes are estimates for the
 * whole.
 * @param until ms UTC
 * @throws CONFIG_INVALID for a segment below its minimum size
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
