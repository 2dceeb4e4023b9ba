/** A world in which code must not be made at run time, as under a strict policy of content. */
import { vi } from 'vitest';

/** `Function` refuses until `vi.unstubAllGlobals`; answers how often it was asked. */
export function withoutCode(): () => number {
  let asked = 0;
  vi.stubGlobal(
    'Function',
    class {
      constructor() {
        asked++;
        throw new EvalError('Code generation from strings disallowed for this context');
      }
    },
  );
  return () => asked;
}
