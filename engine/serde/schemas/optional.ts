import { MillraceError } from '../../base/errors.ts';
import { onDemand } from '../../base/on-demand.ts';

/**
 * A package that not every application needs, loaded when it is first used.
 * @param what needs it
 * @throws CONFIG_INVALID that says how it is installed
 */
export function optionalPackage<Module>(name: string, what: string): () => Module {
  const load = onDemand<Module>(name);
  return () => {
    try {
      return load();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error;
      const problem = `needs the package ${name}: npm install ${name}`;
      throw new MillraceError('CONFIG_INVALID', { field: what, problem }, { cause: error });
    }
  };
}
