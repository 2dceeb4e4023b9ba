/** What a test file may ask the main process about the shared broker. */

declare module 'vitest' {
  interface ProvidedContext {
    /** Path of the socket at which the main process answers. */
    readonly kafkaSocket: string;
  }
}

export type Question = 'problem' | 'broker';

export type Answer =
  | { readonly problem: string }
  | { readonly address: string; readonly internal: string }
  | { readonly failure: string }
  | Record<string, never>;

/** In continuous integration nothing is skipped. */
export function mustRun(): boolean {
  return !['', 'false', '0'].includes(process.env['CI'] ?? '');
}
