/**
 * Finds the author's file:line of a builder call, so that an error about a step names the line that
 * created it. Frames of Millrace, Node and dependencies are skipped.
 */
import { codeRoot } from './package-files.ts';

const ownFolders = ['engine/', 'operators/', 'topologies/app/', 'chunks/'].map(
  (name) => codeRoot.href + name,
);

/** Folders that check settings of the ready topology; the reported line is that of the caller. */
const readyFolders = [
  'topologies/engagement/',
  'topologies/accepted/',
  'topologies/personalis',
].map((name) => codeRoot.href + name);

/** 'file:line' of the nearest caller outside Millrace's engine and operators, or 'unknown'. */
export function callSite(): string {
  return frameOutside(ownFolders);
}

/** The same for a setting; also skips the ready topology, which checks it. */
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

/** 'file:line' of the first stack frame in the author's code; undefined if there is none. */
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
