/** Checks a built site: every link has a target, and no page loads anything from another host. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';

/** @param skip folders that another tool has made and checked; links into them are checked */
export function siteProblems(site: string, skip: readonly string[]): string[] {
  const files = readdirSync(site, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(site, join(entry.parentPath, entry.name)))
    .filter((file) => !skip.some((folder) => file.startsWith(`${folder}/`)));
  const pages = files.filter((file) => file.endsWith('.html'));
  const idsOf = idsIn(site);
  const problems = pages.flatMap((page) => {
    const html = readFileSync(join(site, page), 'utf8');
    const links = [...html.matchAll(/<a\b[^>]*?\bhref="([^"]*)"/g)].map(([, link = '']) => link);
    const broken = [...new Set(links)].filter((link) => !leads(site, page, link, idsOf));
    return [
      ...broken.map((link) => `${page}: ${link} leads nowhere`),
      ...foreign(html).map((url) => `${page}: loads ${url}`),
    ];
  });
  const styles = files.filter((file) => file.endsWith('.css'));
  const loaded = styles.flatMap((file) => {
    const text = readFileSync(join(site, file), 'utf8');
    const urls = text.matchAll(/(?:url\(|@import )["']?((?:https?:)?\/\/[^"')]+)/g);
    return [...urls].map(([, url]) => `${file}: loads ${url}`);
  });
  return [...problems, ...loaded];
}

/** What a page would load from another host when it is opened. */
function foreign(html: string): string[] {
  const tags = html.matchAll(
    /<(?:script|img|link|iframe|source)\b[^>]*?\b(?:src|href)="((?:https?:)?\/\/[^"]*)"/g,
  );
  return [...tags].map(([, url = '']) => url);
}

function leads(
  site: string,
  page: string,
  link: string,
  idsOf: (file: string) => ReadonlySet<string>,
): boolean {
  if (/^(https?|mailto):/.test(link)) return true;
  const { pathname, hash } = new URL(link, `http://site/${page}`);
  let file = resolve(site, `.${decodeURIComponent(pathname)}`);
  if (existsSync(file) && statSync(file).isDirectory()) file = join(file, 'index.html');
  if (!existsSync(file)) return false;
  const id = decodeURIComponent(hash.slice(1));
  return id === '' || !file.endsWith('.html') || idsOf(file).has(id);
}

function idsIn(site: string): (file: string) => ReadonlySet<string> {
  const known = new Map<string, ReadonlySet<string>>();
  return (file) => {
    const path = relative(site, file);
    const ids =
      known.get(path) ??
      new Set([...readFileSync(file, 'utf8').matchAll(/\bid="([^"]*)"/g)].map(([, id = '']) => id));
    known.set(path, ids);
    return ids;
  };
}
