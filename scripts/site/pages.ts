/**
 * The documents as the pages of a site. Links of a document are paths in the repository; here they
 * lead to pages, to files that the site has beside them, or, for folders, to what is in them.
 */
import { existsSync, statSync } from 'node:fs';
import { dirname, extname, join, posix } from 'node:path';
import { homePage } from './sidebar.ts';

export interface Page {
  readonly text: string;
  /** Files of the repository that it shows or links to. */
  readonly files: readonly string[];
}

/** Where a document is on the site. */
export function pageOf(document: string): string {
  return document === homePage ? 'index.md' : document;
}

/** Program text is a page: browsers do not show it by themselves. */
export function isShownAsPage(file: string): boolean {
  return ['.ts', '.yaml', '.yml', '.py'].includes(extname(file));
}

/**
 * A document with its links as the site has them.
 * @param root of the repository
 * @param documents that are pages
 */
export function sitePage(
  root: string,
  document: string,
  text: string,
  documents: ReadonlySet<string>,
): Page {
  const files = new Set<string>();
  const target = (link: string): string | undefined => {
    const [path = '', anchor] = link.split('#');
    const suffix = anchor === undefined ? '' : `#${anchor}`;
    const file = path === '' ? document : posix.normalize(posix.join(dirname(document), path));
    if (documents.has(file)) return `/${pageOf(file)}${suffix}`;
    if (!existsSync(join(root, file))) return link;
    if (statSync(join(root, file)).isDirectory()) {
      const first = [...documents].filter((one) => one.startsWith(`${file}/`)).sort()[0];
      return first === undefined ? undefined : `/${first}`;
    }
    files.add(file);
    return isShownAsPage(file) ? `/files/${file}.md` : `/files/${file}`;
  };
  const linked = outsideBlocks(text, (part) =>
    part.replace(codeOrLink, (whole, code, image: string, label: string, link: string) => {
      if (code !== undefined || /^[a-z]+:/.test(link)) return whole;
      const to = target(link);
      // A folder without a document: its name must do.
      return to === undefined ? `${label} (\`${link}\`)` : `${image}[${label}](${to})`;
    }),
  );
  // Its script is as large as the rest of the site: graphs are shown as their text.
  return { text: linked.replaceAll('```mermaid\n', '```text\n'), files: [...files] };
}

/** A file of program text as a page. */
export function filePage(file: string, text: string): string {
  const fence = '`'.repeat(4);
  return `# ${file}\n\n${fence}${extname(file).slice(1)}\n${text}${fence}\n`;
}

/** What stands in a code span is no link; the label of a link may have code spans. */
const codeOrLink = /(`[^`\n]+`)|(!?)\[((?:[^\]`]|`[^`]*`)*)\]\(([^)\s]+)\)/g;
const codeBlock = /^(`{3,}|~{3,})[^\n]*\n[\s\S]*?^\1[^\n]*$|(?<=\n\n)(?: {4}[^\n]*\n)+/gm;

function outsideBlocks(text: string, change: (part: string) => string): string {
  let [changed, from] = ['', 0];
  for (const match of text.matchAll(codeBlock)) {
    changed += change(text.slice(from, match.index)) + match[0];
    from = match.index + match[0].length;
  }
  return changed + change(text.slice(from));
}
