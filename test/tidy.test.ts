/**
 * Style as a test: import direction, banned globals, leftovers, and the error catalogue; sizes are
 * in structure.test.ts.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { errorCatalogue } from '../engine/base/errors.ts';

const root = resolve(import.meta.dirname, '..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');

function filesUnder(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .sort();
}

const engine = filesUnder('engine');
const operators = filesUnder('operators');
const topologies = filesUnder('topologies');
const product = [...engine, ...operators, ...topologies];

/** Each folder of engine/ may import itself and those to its left; equal ranks may not meet. */
const engineRank: Record<string, number> = {
  base: 0,
  record: 1,
  time: 2,
  serde: 3,
  graph: 4,
  storage: 5,
  log: 6,
  state: 6,
  task: 7,
  thread: 8,
  runtime: 9,
  testing: 10,
  laws: 10,
  connect: 10,
  http: 10,
  embed: 11,
  cli: 12,
};
/** What the application knows of the engine beside what is public. */
const commandLine = new Set(['engine/cli/index.ts', 'engine/cli/thread-parts.ts']);
/**
 * Who may embed the engine: the application, its SQL, its HTTP, and a client that needs its types.
 */
const embeds = /^topologies\/(app\/|verify\/|gateway\/|client\.ts$)/;
/** Whom a folder of topologies/ is for, where it is not for all. */
const importedBy: Readonly<Record<string, readonly string[]>> = {
  app: ['app'],
  verify: ['app', 'verify'],
};
const operatorsMayImport = new Set(['base', 'record', 'time', 'serde', 'graph']);

function importsOf(file: string): string[] {
  return [...read(file).matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map((m) => m[1] as string);
}

function targetOf(file: string, specifier: string): string | undefined {
  return specifier.startsWith('.')
    ? relative(root, resolve(root, dirname(file), specifier))
    : undefined;
}

function nameOf(file: string): string {
  return file.slice(file.lastIndexOf('/') + 1);
}

function forbiddenImport(file: string, specifier: string): string | undefined {
  const target = targetOf(file, specifier);
  const [top, folder = ''] = file.split('/');
  if (target === undefined) {
    if (!/^millrace(\/|$)/.test(specifier)) return undefined;
    if (top !== 'topologies') return 'itself by name';
    return specifier !== 'millrace/engine' || embeds.test(file) ? undefined : 'the engine';
  }
  const [targetTop, targetFolder = ''] = target.split('/');
  if (top === 'topologies') {
    if (targetTop === 'topologies') {
      const readers = importedBy[targetFolder];
      return readers === undefined || readers.includes(folder) ? undefined : 'the application';
    }
    return folder === 'app' && commandLine.has(target) ? undefined : 'past the public API';
  }
  if (top === 'operators') {
    if (targetTop === 'operators') return undefined;
    return targetTop === 'engine' && operatorsMayImport.has(targetFolder) ? undefined : 'upwards';
  }
  if (targetTop !== 'engine') return 'upwards';
  if (folder.endsWith('.ts') || folder === targetFolder) return undefined;
  const from = engineRank[folder];
  const to = engineRank[targetFolder];
  if (from === undefined || to === undefined) return 'an unranked folder';
  return to < from ? undefined : 'upwards or sideways';
}

/** Folders of the Kafka log: each may import itself and those before it. */
const kafkaFolders = ['wire', 'settings', 'direct', 'rdkafka', 'adapter'];

describe('tidy', () => {
  it('imports go one way', () => {
    const wrong = product.flatMap((file) =>
      importsOf(file).flatMap((specifier) => {
        const problem = forbiddenImport(file, specifier);
        return problem === undefined ? [] : [`${file} imports ${specifier}: ${problem}`];
      }),
    );
    expect(wrong).toEqual([]);
  });

  it('the folders of the Kafka log import one way, and its file names are unique', () => {
    const folder = 'engine/log/kafka';
    const rankOf = (path: string) => kafkaFolders.indexOf(path.split('/')[3] ?? '');
    const files = engine.filter((file) => file.startsWith(`${folder}/`));
    const wrong = files.flatMap((file) =>
      importsOf(file).flatMap((specifier) => {
        const target = targetOf(file, specifier);
        if (target === undefined || !target.startsWith(`${folder}/`)) return [];
        return rankOf(target) <= rankOf(file) ? [] : [`${file} imports ${specifier}`];
      }),
    );
    const homeless = files.filter((file) => rankOf(file) < 0);
    const names = engine.filter((file) => file.startsWith('engine/log/')).map(nameOf);
    const twice = names.filter((name, i) => names.indexOf(name) !== i);
    expect([...wrong, ...homeless, ...twice]).toEqual([]);
  });

  it('topologies and the command line import in no circle, types included', () => {
    const files = new Set(product.filter((file) => /^(topologies|engine\/cli)\//.test(file)));
    const done = new Set<string>();
    const circles: string[] = [];
    const visit = (file: string, path: readonly string[]): void => {
      if (path.includes(file)) {
        circles.push([...path.slice(path.indexOf(file)), file].join(' > '));
        return;
      }
      if (done.has(file)) return;
      for (const specifier of importsOf(file)) {
        const target = targetOf(file, specifier);
        if (target !== undefined && files.has(target)) visit(target, [...path, file]);
      }
      done.add(file);
    };
    for (const file of files) visit(file, []);
    expect(circles).toEqual([]);
  });

  it('each named dependency is reached through its adapter only', () => {
    const adapters: Record<string, RegExp> = {
      'rocksdb-native': /^engine\/storage\/rocksdb\.ts$/,
      rocksdb: /^engine\/storage\/rocksdb-5\/rocksdb5-backend\.ts$/,
      fzstd: /^engine\/log\/kafka\/direct\/codecs\.ts$/,
      snappyjs: /^engine\/(storage\/rocksdb-5\/block-table|log\/kafka\/direct\/codecs)\.ts$/,
      'node-rdkafka': /^engine\/log\/kafka\/rdkafka\/rdkafka\.ts$/,
      msgpackr: /^engine\/serde\/msgpack\.ts$/,
      'ajv/dist/2020.js':
        /^(operators\/json-schema|engine\/serde\/schemas\/json-schema-serde)\.ts$/,
      avsc: /^engine\/serde\/schemas\/avro(-bounds)?\.ts$/,
      protobufjs: /^engine\/serde\/schemas\//,
      '@datadog/sketches-js': /^operators\/aggregates\/quantiles\.ts$/,
      'temporal-polyfill': /^engine\/time\/(windows\/calendar|calendar-times)\.ts$/,
      piscina: /^engine\/thread\//,
      'prom-client': /^engine\/(runtime\/observe|http\/metrics)\.ts$/,
      re2js: /^topologies\/ingest\/pattern\.ts$/,
      esbuild: /^engine\/cli\/dev\/watch\.ts$/,
      '@opentelemetry/api': /^engine\/(task\/tracing|http\/request-trace)\.ts$/,
      'hot-shots': /^engine\/runtime\/statsd\.ts$/,
      pino: /^engine\/runtime\/observe\.ts$/,
      croner: /^engine\/connect\/pull\/(schedule|common-spec)\.ts$/,
      oauth4webapi: /^engine\/connect\/pull\/rest\/credentials\.ts$/,
      pg: /^engine\/connect\/pull\/postgres\//,
      '@aws-sdk/client-s3': /^engine\/connect\/pull\/files\/s3\.ts$/,
      '@aws-sdk/client-kinesis': /^engine\/connect\/pull\/kinesis\/kinesis\.ts$/,
      '@node-rs/crc32': /^engine\/base\/crc32c\.ts$/,
    };
    const wrong = product.flatMap((file) =>
      importsOf(file)
        .filter((name) => adapters[name] !== undefined && !adapters[name].test(file))
        .map((name) => `${file} imports ${name}`),
    );
    expect(wrong).toEqual([]);
  });

  it('clocks, chance and the world are reached through ports', () => {
    const banned: [RegExp, string][] = [
      [/\bDate\.now\(|\bnew Date\(\)|\bperformance\.now\(/, 'use the Clock port'],
      [/\bMath\.random\(/, 'use the Random port'],
      [/\bset(Timeout|Interval|Immediate)\(|from 'node:timers/, 'use the Scheduler port'],
      [/\bprocess\.(env|argv|exit|on|cwd|pid)\b/, 'belongs to the command line or lifecycle'],
      [/from 'node:fs(\/promises)?'/, 'belongs to an adapter'],
    ];
    const adapters =
      /^engine\/(base\/(clock|scheduler|call-site)|storage\/|log\/(embedded\/(head|open-embedded-log|owner)|kafka\/wire\/broker-connection)|thread\/|connect\/|http\/|embed\/|cli\/|testing\/golden\/file|runtime\/(lifecycle|observe))|^topologies\/app\//;
    const wrong = product
      .filter((file) => !adapters.test(file))
      .flatMap((file) => {
        const code = read(file).replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
        return banned.filter(([what]) => what.test(code)).map(([, remedy]) => `${file}: ${remedy}`);
      });
    expect(wrong).toEqual([]);
  });

  it('files are finished', () => {
    const wrong = product.flatMap((file) =>
      /\b(FIXME|TODO|XXX)\b/.test(read(file)) ? [`${file}: unfinished mark`] : [],
    );
    const tests = filesUnder('test').filter((file) =>
      /\b(it|describe|test)\.only\(/.test(read(file)),
    );
    expect([...wrong, ...tests.map((file) => `${file}: .only`)]).toEqual([]);
  });

  it('every error of the catalogue is thrown somewhere', () => {
    const text = product
      .filter((f) => !f.startsWith('engine/base/catalogue/'))
      .map(read)
      .join('\n');
    const orphans = Object.keys(errorCatalogue).filter((code) => !text.includes(`'${code}'`));
    expect(orphans).toEqual([]);
  });

  it('documents, rules and files that are cited exist', () => {
    const documents = readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md'));
    const tests = filesUnder('test').filter((file) => file !== 'test/tidy.test.ts');
    const all = [...product, ...filesUnder('bench'), ...tests];
    const known = new Set([...all, 'engine/ARCHITECTURE.md', 'bench/README.md', 'README.md']);
    const headings = (document: string) =>
      [...read(`docs/${document}.md`).matchAll(/^## (.*)$/gm)].map(([, heading = '']) => heading);
    const has = (document: string, start: string) =>
      headings(document).some((heading) => `${heading} `.startsWith(`${start} `));
    const wrong = all.flatMap((file) => {
      // A citation may go on in the next line of a comment.
      const text = read(file).replace(/\n\s*(\*|\/\/) ?/g, ' ');
      const problems: string[] = [];
      for (const [, name = ''] of text.matchAll(
        /\b(SEMANTICS|RELIABILITY|DESIGN|PERFORMANCE)\b/g,
      )) {
        if (!documents.includes(`${name}.md`)) problems.push(`no document ${name}`);
      }
      for (const [, rule = ''] of text.matchAll(/\bSEMANTICS,? (B\.\d+|decisions)/g)) {
        const heading = rule === 'decisions' ? 'Decisions' : rule;
        if (!has('SEMANTICS', heading)) problems.push(`no rule ${rule} in docs/SEMANTICS.md`);
      }
      for (const [, rule = ''] of text.matchAll(/\b[Rr]ule (T\d+)\b/g)) {
        if (!has('RELIABILITY', `Rule ${rule}`)) problems.push(`no rule ${rule}`);
      }
      for (const [, name = ''] of text.matchAll(/\bdocs\/([A-Za-z-]+\.md)\b/g)) {
        if (!documents.includes(name)) problems.push(`no document docs/${name}`);
      }
      if (product.includes(file)) {
        const paths = text.matchAll(/(?<=[ (])((?:[a-z-]+\/)+[a-z-]+\.ts)\b/g);
        for (const [, path = ''] of paths) {
          if (![...known].some((one) => one.endsWith(path))) problems.push(`no file ${path}`);
        }
      }
      return problems.map((problem) => `${file}: ${problem}`);
    });
    expect(wrong).toEqual([]);
  });
});
