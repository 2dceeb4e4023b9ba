/**
 * docs/ERRORS.md and docs/METRICS.md, made of the catalogue of errors and of the registries of
 * metrics.
 */
import type { Registry } from 'prom-client';
import { errorCatalogue } from '../../engine/base/errors.ts';
import { settingFlags } from '../../engine/cli/setting-flags.ts';
import { requestMetrics } from '../../engine/http/metrics.ts';
import { metricsObserver } from '../../engine/runtime/observe.ts';
import { wrap } from '../../scripts/markdown.ts';

const made = '<!-- Written by `npm run api-documents`; a test fails when it differs. -->';

const exits = {
  1: 'the run failed',
  2: 'usage or configuration',
  3: 'damaged data',
} as const;

/** A setting as the API has it, and the command line. */
function inBothWays(option: string, name: string): string {
  return `${option}, \`${settingFlags[name]?.split(' ')[0]}\``;
}

/** An angle bracket or a brace would be taken for HTML, or for a template, by the site. */
function text(words: string): string {
  return words
    .replace(/\boption `(\w+)`/g, inBothWays)
    .replace(/\{([A-Za-z]+)\}/g, '‹$1›')
    .replace(/<([^>]*)>/g, '‹$1›');
}

export function errorsDocument(): string {
  const codes = Object.keys(errorCatalogue).sort() as (keyof typeof errorCatalogue)[];
  const sections = codes.map((code) => {
    const { message, remedy, exitCode } = errorCatalogue[code];
    const ending = /[.?!]$/.test(remedy) ? '' : '.';
    return `## ${code}\n\n${text(message)}\n\nRemedy: ${text(remedy)}${ending}\n\nExit code ${exitCode}: ${exits[exitCode]}.\n`;
  });
  const intro = `Every error has a code. A message is the code, what is wrong, and what to do about it; names in
‹angles› stand for values. \`MillraceError\` carries them as \`code\` and \`context\`. A mistake of
Millrace itself is an AssertionError; a bad record is a dead letter, not an error.`;
  return wrap(`# Errors\n\n${made}\n\n${intro}\n\n${sections.join('\n')}`);
}

interface Described {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly labelNames: readonly string[];
}

function described(registry: Registry): Described[] {
  return registry
    .getMetricsAsArray()
    .map((metric) => {
      const { name, help, labelNames = [] } = metric as unknown as Described;
      return { name, help, type: metric.constructor.name.toLowerCase(), labelNames };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

function tableOf(metrics: readonly Described[]): string {
  const rows = metrics.map(({ name, type, labelNames, help }) => {
    const labels = labelNames.map((label) => `\`${label}\``).join(', ');
    return `| \`${name}\` | ${type} | ${labels} | ${text(help)} |`;
  });
  return ['| metric | type | labels | what it says |', '|---|---|---|---|', ...rows].join('\n');
}

/** Names of all metrics that are Millrace's own. */
export function metricNames(): string[] {
  return [...engineMetrics(), ...described(requestMetrics().registry)].map(({ name }) => name);
}

function engineMetrics(): Described[] {
  const { registry } = metricsObserver(async () => [], undefined, '.');
  return described(registry).filter(({ name }) => name.startsWith('millrace_'));
}

export function metricsDocument(): string {
  const intro = `\`GET /metrics\` of a process answers them in the text format of Prometheus, and \`--statsd\` sends
them to a DogStatsD agent. Beside them stand those of the Node.js process (\`process_*\`,
\`nodejs_*\`). A histogram has the series \`_bucket\`, \`_sum\` and \`_count\`. What each alert of
[ops/](ALERTS.md) means, and what to do, is on a page of its own.`;
  return wrap(`# Metrics

${made}

${intro}

## Of the runtime

${tableOf(engineMetrics())}

## Of the HTTP server and the gateway

${tableOf(described(requestMetrics().registry))}
`);
}
