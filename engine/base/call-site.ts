/**
 * The author's own file:line of a builder call, so that an error about a step names the line that
 * made it. Frames of Millrace, of Node and of dependencies are skipped.
 */
import { codeRoot } from './package-files.ts';

const ownFolders = ['engine/', 'operators/', 'topologies/app/', 'chunks/'].map(
  (name) => codeRoot.href + name,
);

/** Where the settings of the ready topology are checked: the line is that of who gave them. */
const readyFolders = [
  'topologies/engagement/',
  'topologies/accepted/',
  'topologies/personalis',
].map((name) => codeRoot.href + name);

/** 'file:line' of the nearest caller outside Millrace's engine and operators, or 'unknown'. */
export function callSite(): string {
  return frameOutside(ownFolders);
}

/** The same, of a setting: not the line of the ready topology that checks it, either. */
export function settingSite(): string {
  return frameOutside([...ownFolders, ...readyFolders]);
}

function frameOutside(folders: readonly string[]): string {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 30;
  const stack = new Error('call site').stack ?? '';
  Error.stackTraceLimit = limit;
  return authorFrame(stack, folders) ?? 'unknown';
}

/** 'file:line' of the first frame of a stack that is the author's code; undefined when none is. */
export function authorFrame(
  stack: string,
  folders: readonly string[] = ownFolders,
): string | undefined {
  for (const line of stack.split('\n').slice(1)) {
    const match =
      /(?:\(|\bat (?:async )?)((?:file:\/\/)?\/[^()]*?|[A-Za-z]:\\[^()]*?):(\d+):\d+\)?$/.exec(
        line,
      );
    if (match === null) continue;
    const url = (match[1] as string).startsWith('file:') ? match[1] : `file://${match[1]}`;
    const file = url as string;
    if (file.includes('/node_modules/') || folders.some((own) => file.startsWith(own))) continue;
    return `${relativeToWorkingDirectory(decodeURI(file.slice('file://'.length)))}:${match[2]}`;
  }
  return undefined;
}

function relativeToWorkingDirectory(path: string): string {
  const base = `${process.cwd()}/`;
  return path.startsWith(base) ? path.slice(base.length) : path;
}
