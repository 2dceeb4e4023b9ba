/**
 * The documents as pages of a site. Links in a document are paths of the repository; here they
 * point to pages, to files that the site has beside them, or, for folders, to the document in them.
 */
import { existsSync, statSync } from 'node:fs';
import { dirname, extname, join, posix } from 'node:path';
import { homePage } from './sidebar.ts';

export interface Page {
  readonly text: string;
  /** Files of the repository that the page shows or links to. */
  readonly files: readonly string[];
}

/** Path of a document on the site. */
export function pageOf(document: string): string {
  return document === homePage ? 'index.md' : document;
}

/** Whether a file is shown as a page: browsers do not display program text by themselves. */
export function isShownAsPage(file: string): boolean {
  return ['.ts', '.yaml', '.yml', '.py'].includes(extname(file));
}

/**
 * A document with its links rewritten for the site.
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
      // A folder without a document is shown by its name.
      return to === undefined ? `${label} (\`${link}\`)` : `${image}[${label}](${to})`;
    }),
  );
  // The script of Mermaid is as large as the rest of the site: graphs are shown as text.
  return { text: linked.replaceAll('```mermaid\n', '```text\n'), files: [...files] };
}

/** A file of program text as a page. */
export function filePage(file: string, text: string): string {
  const fence = '`'.repeat(4);
  return `# ${file}\n\n${fence}${extname(file).slice(1)}\n${text}${fence}\n`;
}

/** A code span contains no links; the label of a link may contain code spans. */
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
