/** Errors of usage and configuration. */
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
    remedy: 'npm install --no-save {tool}: it is a development tool that only verify needs',
    exitCode: 2,
  },
  GOLDEN_DIFFERS: {
    message: 'the run differs from the golden file {file}: {problem}',
    remedy:
      'correct the topology; or, if the change is intended, run the test with {variable}=1 to rewrite the file, and review its changes',
    exitCode: 1,
  },
  GOLDEN_VALUE: {
    message: 'a golden file cannot store the {where}: it {problem}',
    remedy: 'record values that are plain data: objects, lists, texts, numbers, dates, bytes',
    exitCode: 2,
  },
  SCHEMA_REGISTRY: {
    message: 'the schema registry {url} gives no valid response: {problem}',
    remedy: 'check the registry and its address; start again, nothing is skipped',
    exitCode: 1,
  },
  SCHEMA_REFUSED: {
    message: 'the schema of {subject} is refused: {problem}',
    remedy: '`millrace schema check` shows what breaks; change the schema so that both can be read',
    exitCode: 2,
  },
  MAPPING_INVALID: {
    message: 'mapping {mapping}: {field}: {problem}',
    remedy:
      'correct the mapping; docs/MAPPINGS.md describes every field; for rows without one, see option `key`, option `time` and option `timeFormat`',
    exitCode: 2,
  },
  SEGMENT_UNKNOWN: {
    message: 'no segment {segment} is configured or was ever emitted; {hint}',
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
