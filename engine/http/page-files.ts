/**
 * The files of the console's page. The package has them built, in dist/console; a source tree
 * builds them on the first request and keeps them in memory.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { packageRoot, runsSources } from '../base/package-files.ts';
import type { PageAnswer } from './page.ts';
import { pageHeaders } from './page.ts';

const types: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
};

type Files = ReadonlyMap<string, Uint8Array>;

export class PageFiles {
  #files: Promise<Files> | undefined;

  /** Undefined for an unknown file. @param name without a folder */
  async answer(name: string): Promise<PageAnswer | undefined> {
    this.#files ??= runsSources ? builtNow() : readBuilt();
    const files = await this.#files.catch((error: unknown) => {
      // The next request tries again.
      this.#files = undefined;
      throw error;
    });
    const body = files.get(name);
    if (body === undefined) return undefined;
    const ending = name.slice(name.lastIndexOf('.') + 1);
    // All files except the page itself are named by their content.
    const cache = ending === 'html' ? 'no-cache' : 'public, max-age=31536000, immutable';
    const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
    const headers = {
      ...pageHeaders,
      'content-type': types[ending] ?? 'application/octet-stream',
      'cache-control': cache,
      etag,
    };
    return { status: 200, headers, body };
  }
}

async function readBuilt(): Promise<Files> {
  const folder = new URL('dist/console/', packageRoot);
  const files = new Map<string, Uint8Array>();
  for (const name of await readdir(folder)) files.set(name, await readFile(new URL(name, folder)));
  return files;
}

async function builtNow(): Promise<Files> {
  const script = new URL('console/build.ts', packageRoot).href;
  const { buildConsole } = (await import(script)) as { buildConsole: () => Promise<Files> };
  return buildConsole();
}
