/**
 * `npm run docs:site` builds the documentation site in dist/site: it copies the documents with
 * their links rewritten, builds them with VitePress, and checks every link of the result. The API
 * reference is part of it when `npm run docs:reference` has made it.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { documents } from '../markdown.ts';
import { siteProblems } from './links.ts';
import { filePage, isShownAsPage, pageOf, sitePage } from './pages.ts';
import { placed } from './sidebar.ts';

const vitepress = '1.6.4';
const root = resolve(import.meta.dirname, '../..');
const source = join(root, 'dist/site-source');
const site = join(root, 'dist/site');
const reference = join(root, 'dist/reference');

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

/** The heading of a document. */
function titleOf(document: string): string {
  const text = readFileSync(join(root, document), 'utf8');
  return (/^# (.*)$/m.exec(text)?.[1] ?? document).replaceAll('`', '');
}

function sidebar(all: readonly string[], hasReference: boolean) {
  return [...placed(all)].map(([{ text, isCollapsed }, pages]) => ({
    text,
    ...(isCollapsed === undefined ? {} : { collapsed: isCollapsed }),
    items: [
      ...pages.map((page) => ({ text: titleOf(page), link: `/${page.replace(/\.md$/, '')}` })),
      // A page of another tool, which the router of this site must not handle.
      ...(text === 'Reference' && hasReference
        ? [{ text: 'API', link: '/reference/index.html', target: '_self' }]
        : []),
    ],
  }));
}

function configuration(all: readonly string[], hasReference: boolean): string {
  const config = {
    title: 'Millrace',
    description: 'Stream processing for Node.js, in TypeScript',
    lang: 'en',
    outDir: site,
    cacheDir: join(source, '.cache'),
    head: [['link', { rel: 'icon', href: 'data:,' }]],
    markdown: { html: false },
    themeConfig: {
      search: { provider: 'local' },
      outline: [2, 3],
      nav: [{ text: 'Tutorial', link: '/docs/TUTORIAL' }],
      sidebar: sidebar(all, hasReference),
    },
  };
  // Headings get the ids that GitHub gives them, so that links to them work in both places.
  return `const config = ${JSON.stringify(config, undefined, 2)};
config.markdown.anchor = {
  slugify: (text) =>
    text.trim().toLowerCase().replace(/[^\\p{L}\\p{N} _-]/gu, '').replaceAll(' ', '-'),
};
export default config;
`;
}

function stage(): void {
  rmSync(source, { recursive: true, force: true });
  rmSync(site, { recursive: true, force: true });
  const listed = documents(root).filter((file) =>
    /^(docs\/|bench\/|[A-Z]+\.md$|engine\/ARCH)/.test(file),
  );
  const all = new Set(listed);
  const files = new Set<string>();
  for (const document of all) {
    const page = sitePage(root, document, readFileSync(join(root, document), 'utf8'), all);
    write(join(source, pageOf(document)), page.text);
    for (const file of page.files) files.add(file);
  }
  for (const file of files) {
    if (isShownAsPage(file)) {
      const text = readFileSync(join(root, file), 'utf8');
      write(join(source, 'files', `${file}.md`), filePage(file, text));
    } else cpSync(join(root, file), join(source, 'public/files', file), { recursive: true });
  }
  const hasReference = existsSync(reference);
  write(join(source, '.vitepress/config.mjs'), configuration(listed, hasReference));
  write(join(source, 'package.json'), '{"type":"module","private":true}\n');
}

stage();
execFileSync('npx', ['--yes', '-p', `vitepress@${vitepress}`, 'vitepress', 'build', source], {
  cwd: source,
  stdio: 'inherit',
});
if (existsSync(reference)) cpSync(reference, join(site, 'reference'), { recursive: true });
const problems = siteProblems(site, ['reference']);
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exitCode = 1;
else console.log(`the site is in ${site}, and every link leads somewhere`);
