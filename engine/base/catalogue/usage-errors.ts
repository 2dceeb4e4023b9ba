/** What whoever starts, asks or configures can have wrong. */
import type { CatalogueEntry } from './catalogue-entry.ts';

export const usageErrors = {
  CONFIG_INVALID: {
    message: 'configuration field {field}: {problem}',
    remedy: 'correct the field; the help and the README list fields and limits',
    exitCode: 2,
  },
  USAGE: {
    message: '{problem}',
    remedy: 'see `millrace --help`',
    exitCode: 2,
  },
  PACKAGE_MISSING: {
    message: 'source {source} needs the package {package}, which cannot be loaded: {problem}',
    remedy: 'npm install {package}',
    exitCode: 2,
  },
  TOOL_MISSING: {
    message: 'the tool {tool} cannot be loaded: {problem}',
    remedy: 'npm install --no-save {tool}: it is a tool of development, which only verify needs',
    exitCode: 2,
  },
  GOLDEN_DIFFERS: {
    message: 'the run is not that of the golden file {file}: {problem}',
    remedy:
      'correct the topology; or, if it is meant to be so, run the test with {variable}=1, which writes the file anew, and review what has changed in it',
    exitCode: 1,
  },
  GOLDEN_VALUE: {
    message: 'a golden file cannot keep the {where}: it {problem}',
    remedy: 'record values that are plain data: objects, lists, texts, numbers, dates, bytes',
    exitCode: 2,
  },
  SCHEMA_REGISTRY: {
    message: 'the schema registry {url} does not answer as it should: {problem}',
    remedy: 'look at the registry and its address; start again, nothing is skipped',
    exitCode: 1,
  },
  SCHEMA_REFUSED: {
    message: 'the schema of {subject} is refused: {problem}',
    remedy: '`millrace schema check` tells what breaks; change the schema so that both can be read',
    exitCode: 2,
  },
  MAPPING_INVALID: {
    message: 'mapping {mapping}: {field}: {problem}',
    remedy:
      'correct the mapping; docs/MAPPINGS.md describes every field; for rows without one, see option `key`, option `time` and option `timeFormat`',
    exitCode: 2,
  },
  SEGMENT_UNKNOWN: {
    message: 'no segment {segment} is configured or was told of; {hint}',
    remedy: 'name one of the segments that `millrace segment plan` lists',
    exitCode: 2,
  },
  SUBJECT_UNKNOWN: {
    message: 'no event of subject {subject} is known',
    remedy:
      'spell the subject as the log does, after the mapping; `millrace query profiles` lists some',
    exitCode: 2,
  },
  VERIFY_DIFFERS: {
    message: '{differing} values differ from what SQL makes of the log',
    remedy:
      'report the lines above with the configuration: scores and segments must be recomputable',
    exitCode: 1,
  },
} as const satisfies Record<string, CatalogueEntry>;
