/** Answers one question in a thread of its own, so that no other work waits for it. */
import type { MessagePort } from 'node:worker_threads';
import {
  type Answer,
  imageOfError,
  PackedBatch,
  recordsIn,
} from '../../../engine/cli/thread-parts.ts';
import { events, type SegmentChange, segmentChanges } from '../../event.ts';
import {
  checkPersonalisation,
  lintPersonalisation,
  type PersonalisationConfig,
  profileLogic,
  warnPersonalisation,
} from '../../personalisation.ts';
import { asOf } from '../../segments/as-of.ts';
import { entriesIn } from '../../segments/sizes.ts';
import type { ProfileLogic } from '../../subject/logic.ts';
import type { Profile } from '../../subject/profile.ts';
import { redefinedClass } from '../../subject/subject-classes.ts';
import { type LogEdits, placeOf } from './log-edits.ts';
import { whatIfOver } from './sampled-what-if.ts';
import { segmentPlans } from './segment-plans.ts';
import { SubjectSample } from './subject-sample.ts';

/** A question; `port` delivers the records of a topic batch by batch. */
export type Question =
  | { readonly kind: 'lint'; readonly config: PersonalisationConfig }
  | { readonly kind: 'plan'; readonly config: PersonalisationConfig; readonly eventsPerDay: number }
  | {
      readonly kind: 'what-if';
      readonly before: PersonalisationConfig;
      readonly after: PersonalisationConfig;
      readonly subjects: number;
      readonly edits: LogEdits;
      readonly port: MessagePort;
    }
  | {
      readonly kind: 'story';
      readonly config: PersonalisationConfig;
      readonly profile: Profile;
      readonly clock: number;
      readonly asked: { readonly from?: number; readonly to?: number };
    }
  | {
      readonly kind: 'entries';
      readonly port: MessagePort;
    }
  | { readonly kind: 'as-of'; readonly at: number; readonly port: MessagePort };

/** From the thread that has the log: a batch, or undefined after the last. */
export type Feed = { readonly partition: number; readonly image: ArrayBuffer } | null;

export default async function answer(question: Question): Promise<Answer> {
  try {
    return { value: await contentOf(question) };
  } catch (error) {
    return { error: imageOfError(error) };
  }
}

async function contentOf(question: Question): Promise<object> {
  switch (question.kind) {
    case 'lint':
      return linted(question.config);
    case 'plan':
      return segmentPlans(question.config, question.eventsPerDay);
    case 'story': {
      const { config, profile, clock, asked } = question;
      return logicOf(config).storyOf(profile, clock, asked);
    }
    case 'entries':
      return entriesIn(changesFrom(question.port));
    case 'what-if': {
      const { before, after, subjects, edits, port } = question;
      checkPersonalisation(after);
      const sample = new SubjectSample(subjects);
      let until = 0;
      for await (const { records, partition } of batchesFrom(port)) {
        for (const { key, value, timestamp: at, offset } of recordsIn(records, partition, events)) {
          const place = placeOf(partition, offset);
          for (const added of edits.before.get(place) ?? []) {
            until = Math.max(until, added.at);
            sample.add(added.key, { event: added.event, at: added.at });
          }
          if (edits.gone.has(place)) continue;
          until = Math.max(until, at);
          // Written by the application, not about the subject.
          if (value.class === redefinedClass) continue;
          sample.add(key, { event: value, at });
        }
      }
      return whatIfOver(before, after, sample, until);
    }
    case 'as-of': {
      const changes = [];
      for await (const change of changesFrom(question.port)) changes.push(change);
      return asOf(changes, question.at);
    }
  }
}

/** Warnings are given only when there are no mistakes, which must be mended first. */
function linted(config: PersonalisationConfig): object {
  const mistakes = lintPersonalisation(config).map(({ path, problem }) => ({ path, problem }));
  return { mistakes, warnings: mistakes.length === 0 ? warnPersonalisation(config) : [] };
}

async function* changesFrom(port: MessagePort): AsyncGenerator<SegmentChange> {
  for await (const { records, partition } of batchesFrom(port)) {
    for (const { value } of recordsIn(records, partition, segmentChanges)) yield value;
  }
}

let known: { readonly text: string; readonly logic: ProfileLogic } | undefined;

/** Made once for the running configuration, not for every question. */
function logicOf(config: PersonalisationConfig): ProfileLogic {
  const text = JSON.stringify(config);
  if (known?.text !== text) known = { text, logic: profileLogic(config) };
  return known.logic;
}

/** Asks for the next batch when the last one is processed. */
async function* batchesFrom(port: MessagePort): AsyncGenerator<Batch> {
  try {
    for (;;) {
      const batch = await new Promise<Feed>((resolve) => {
        port.once('message', resolve);
        port.postMessage('next');
      });
      if (batch === null) return;
      yield { partition: batch.partition, records: new PackedBatch(batch.image) };
    }
  } finally {
    port.close();
  }
}

interface Batch {
  readonly partition: number;
  readonly records: PackedBatch;
}
