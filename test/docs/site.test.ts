/** The documentation site: where links lead, and that its check finds what is wrong. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { documents } from '../../scripts/markdown.ts';
import { siteProblems } from '../../scripts/site/links.ts';
import { filePage, sitePage } from '../../scripts/site/pages.ts';
import { homePage, placed } from '../../scripts/site/sidebar.ts';
import { emptyFolder } from '../process/millrace.ts';

const root = resolve(import.meta.dirname, '../..');

test('every document has a place beside the pages, and every place a document', () => {
  const all = documents(root);
  const shown = [...placed(all).values()].flat();
  expect(shown.filter((page) => !all.includes(page))).toEqual([]);
  const lost = all.filter((page) => page.startsWith('docs/') && !shown.includes(page));
  expect(lost).toEqual([homePage]);
  const [last] = [...placed([...all, 'docs/new/page.md'])].slice(-1);
  expect(last).toEqual([{ text: 'More', pages: [] }, expect.arrayContaining(['docs/new/page.md'])]);
});

test.each([
  ['[a](KAFKA.md#topics)', '[a](/docs/KAFKA.md#topics)', []],
  ['[`a`, b](../README.md)', '[`a`, b](/README.md)', []],
  ['[home](README.md)', '[home](/index.md)', []],
  ['[here](#part)', '[here](/docs/TIME.md#part)', []],
  ['[o](operators)', '[o](/docs/operators/joins.md)', []],
  ['[k](kubernetes.yaml)', '[k](/files/docs/kubernetes.yaml.md)', ['docs/kubernetes.yaml']],
  ['![p](console-person.png)', '![p](/files/docs/console-person.png)', ['docs/console-person.png']],
  ['[x](../examples/packages)', 'x (`../examples/packages`)', []],
  ['[w](https://a.example/b)', '[w](https://a.example/b)', []],
  ['`[a](KAFKA.md)`', '`[a](KAFKA.md)`', []],
  ['```ts\n[a](KAFKA.md)\n```', '```ts\n[a](KAFKA.md)\n```', []],
  ['a\n\n    [a](KAFKA.md)\n', 'a\n\n    [a](KAFKA.md)\n', []],
])('%s', (text, expected, files) => {
  const pages = [
    'docs/KAFKA.md',
    'README.md',
    'docs/README.md',
    'docs/TIME.md',
    'docs/operators/joins.md',
  ];
  expect(sitePage(root, 'docs/TIME.md', text, new Set(pages))).toEqual({ text: expected, files });
});

test('program text is a page, fenced by more than it has', () => {
  expect(filePage('a/b.ts', '```\n')).toBe('# a/b.ts\n\n````ts\n```\n````\n');
});

test('a link that leads nowhere and what comes from elsewhere are found', async () => {
  const site = await emptyFolder();
  await mkdir(join(site, 'docs'));
  await mkdir(join(site, 'reference'));
  const good = '<a href="/docs/b.html#there">b</a><a class="x" href="https://a.example/">a</a>';
  const bad = '<a href="./c.html">c</a><a href="/docs/b.html#gone">b</a>';
  const loads =
    '<script type="module" src="https://a.example/x.js"></script><img src="//b.example/y">';
  await writeFile(join(site, 'index.html'), good);
  await writeFile(join(site, 'docs/b.html'), `<h2 id="there">b</h2><a href="../">up</a>`);
  await writeFile(join(site, 'reference/index.html'), bad);
  await writeFile(join(site, 'style.css'), 'a{background:url(data:,)}');
  expect(siteProblems(site, ['reference'])).toEqual([]);
  await writeFile(join(site, 'docs/a.html'), bad + loads);
  await writeFile(
    join(site, 'style.css'),
    '@import "https://a.example/font.css"; a{b:url(//c.example/d)}',
  );
  expect(siteProblems(site, ['reference'])).toEqual([
    'docs/a.html: ./c.html leads nowhere',
    'docs/a.html: /docs/b.html#gone leads nowhere',
    'docs/a.html: loads https://a.example/x.js',
    'docs/a.html: loads //b.example/y',
    'style.css: loads https://a.example/font.css',
    'style.css: loads //c.example/d',
  ]);
});
