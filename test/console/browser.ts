/** Debian's Chromium, driven over a console that a real process serves. */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { emptyFolder, launch, type Running } from '../process/millrace.ts';

const path = process.env['CHROMIUM'] ?? '/usr/bin/chromium';

/** Why the tests with a browser are left out; undefined where there is one. */
export const missing = existsSync(path)
  ? undefined
  : `no Chromium at ${path}: apt-get install chromium, or name one in CHROMIUM`;
if (missing !== undefined) process.stderr.write(`the console is not tested: ${missing}\n`);

export function openBrowser(): Promise<Browser> {
  const args = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking'];
  return chromium.launch({ executablePath: path, args });
}

export interface Serving extends Running {
  readonly url: string;
}

/** A process that serves, when it says where. @param args of the command line */
export async function serving(args: readonly string[]): Promise<Serving> {
  const running = launch('topologies/app/main.ts', args);
  await running.says('console on');
  const [, url = ''] = /console on (http:\/\/[\w.]+:\d+)\/console\//.exec(running.said()) ?? [];
  return { ...running, url };
}

/**
 * `start` on the sample, or on rows of one's own, staying up; its report is there when it answers.
 */
export async function startServing(
  more: readonly string[] = [],
  folder?: string,
): Promise<Serving> {
  const data = folder ?? (await emptyFolder());
  const own = ['--data', data, '--threads', '0', '--http', '0', '--top', '1'];
  const running = await serving(['start', '--serve', ...own, ...more]);
  await running.says('It stays up');
  return running;
}

const axe = readFileSync(
  join(createRequire(import.meta.url).resolve('axe-core/package.json'), '../axe.min.js'),
  'utf8',
);

/** Faults that axe finds and calls serious or critical, one line each. */
export async function faultsOf(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  return page.evaluate(async () => {
    const { axe: checker } = globalThis as unknown as {
      axe: {
        run(): Promise<{
          violations: { id: string; impact: string; nodes: { html: string }[] }[];
        }>;
      };
    };
    const { violations } = await checker.run();
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(' | ')}`);
  });
}

/** What the page complains of while it is used. */
export function complaintsOf(page: Page): string[] {
  const all: string[] = [];
  page.on('pageerror', (error) => all.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error') all.push(message.text());
  });
  return all;
}

/** True where the page is not wider than the window. */
export function fits(page: Page): Promise<boolean> {
  return page.evaluate('document.documentElement.scrollWidth <= innerWidth');
}
