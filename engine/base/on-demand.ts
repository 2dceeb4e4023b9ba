import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

/**
 * A CommonJS package that is loaded on first use; otherwise every thread would wait for it at its
 * start. It is required, not imported, because for an import Node first parses the text for
 * exported names, with code that V8 needs a tenth of a second to compile.
 * @typeParam Module `typeof import('…')` of the package
 */
export function onDemand<Module>(name: string): () => Module {
  let loaded: Module | undefined;
  return () => {
    loaded ??= require(name) as Module;
    return loaded;
  };
}
