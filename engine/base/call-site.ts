/**
 * The author's own file:line of a builder call, so that an error about a step names the line that
 * made it. Frames of Millrace, of Node and of dependencies are skipped.
 */
import { codeRoot } from './package-files.ts';

const ownFolders = ['engine/', 'operators/', 'chunks/'].map((name) => codeRoot.href + name);

/** 'file:line' of the nearest caller outside Millrace's engine and operators, or 'unknown'. */
export function callSite(): string {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 30;
  const stack = new Error('call site').stack ?? '';
  Error.stackTraceLimit = limit;
  return authorFrame(stack) ?? 'unknown';
}

/** 'file:line' of the first frame of a stack that is the author's code; undefined when none is. */
export function authorFrame(stack: string): string | undefined {
  for (const line of stack.split('\n').slice(1)) {
    const match =
      /(?:\(|\bat (?:async )?)((?:file:\/\/)?\/[^()]*?|[A-Za-z]:\\[^()]*?):(\d+):\d+\)?$/.exec(
        line,
      );
    if (match === null) continue;
    const url = (match[1] as string).startsWith('file:') ? match[1] : `file://${match[1]}`;
    const file = url as string;
    if (file.includes('/node_modules/') || ownFolders.some((own) => file.startsWith(own))) continue;
    return `${relativeToWorkingDirectory(decodeURI(file.slice('file://'.length)))}:${match[2]}`;
  }
  return undefined;
}

function relativeToWorkingDirectory(path: string): string {
  const base = `${process.cwd()}/`;
  return path.startsWith(base) ? path.slice(base.length) : path;
}
