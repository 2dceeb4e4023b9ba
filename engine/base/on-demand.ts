import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

/**
 * A CommonJS package, loaded when it is first needed: every thread would wait for it at its start.
 * And required, as of what is imported Node reads the text first, for the names it exports, in code
 * that V8 then compiles for a tenth of a second.
 * @typeParam Module `typeof import('…')` of the package
 */
export function onDemand<Module>(name: string): () => Module {
  let loaded: Module | undefined;
  return () => {
    loaded ??= require(name) as Module;
    return loaded;
  };
}
