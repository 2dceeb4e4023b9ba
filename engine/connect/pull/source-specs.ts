/** The section `sources` of the configuration file, checked as a whole: docs/SOURCES.md. */

import { commonFields, commonRules } from './common-spec.ts';
import {
  type FolderSpec,
  fileRules,
  folderFields,
  type S3Spec,
  s3Fields,
} from './files/files-spec.ts';
import { type KafkaSpec, kafkaFields, kafkaRules } from './kafka/kafka-spec.ts';
import { type KinesisSpec, kinesisFields } from './kinesis/kinesis-spec.ts';
import { type PostgresSpec, postgresFields, postgresRules } from './postgres/postgres-spec.ts';
import { type RestSpec, restFields, restRules } from './rest/rest-spec.ts';
import { type Check, type Fields, isPlain, type Mistake, variants } from './spec-check.ts';

export type SourceSpec = RestSpec | PostgresSpec | FolderSpec | S3Spec | KinesisSpec | KafkaSpec;

export type SourceSpecs = Readonly<Record<string, SourceSpec>>;

interface Kind {
  readonly fields: Fields;
  /** Checks across fields. */
  readonly rules?: Check;
}

const kinds: Readonly<Record<SourceSpec['kind'], Kind>> = {
  rest: { fields: restFields, rules: restRules },
  postgres: { fields: postgresFields, rules: postgresRules },
  folder: { fields: folderFields },
  s3: { fields: s3Fields, rules: fileRules },
  kinesis: { fields: kinesisFields },
  kafka: { fields: kafkaFields, rules: kafkaRules },
};

const source = variants(
  'kind',
  Object.fromEntries(
    Object.entries(kinds).map(([name, kind]) => [name, { ...commonFields, ...kind.fields }]),
  ),
);

/** Every mistake in the sources, each with its path. */
export function mistakesInSources(value: unknown): Mistake[] {
  const mistakes: Mistake[] = [];
  const tell = (path: string, problem: string) => void mistakes.push({ path, problem });
  if (!isPlain(value)) {
    tell('sources', value === undefined ? 'is missing' : 'must be an object');
    return mistakes;
  }
  for (const [name, one] of Object.entries(value)) {
    const path = `sources.${name}`;
    if (!/^[a-z0-9][a-z0-9-]{0,62}$/.test(name)) {
      tell(path, 'its name must be of small letters, digits and hyphens');
    }
    source(one, path, tell);
    if (!isPlain(one)) continue;
    commonRules(one, path, tell);
    const kind = one['kind'] as SourceSpec['kind'];
    if (Object.hasOwn(kinds, kind)) kinds[kind].rules?.(one, path, tell);
  }
  return mistakes;
}
