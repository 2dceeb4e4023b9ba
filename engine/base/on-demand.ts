import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

/**
 * A CommonJS package that few topologies use, loaded when it is first needed: every thread would wait for it at its
 * start.
 * @typeParam Module `typeof import('…')` of the package
 */
export function onDemand<Module>(name: string): () => Module {
  let loaded: Module | undefined;
  return () => {
    loaded ??= require(name) as Module;
    return loaded;
  };
}
