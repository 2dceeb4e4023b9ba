/** Packages needed by one kind of source only, loaded when such a source is read. */
import { MillraceError, messageOf } from './errors.ts';

/**
 * @param load imports the package
 * @throws PACKAGE_MISSING that says what to install
 */
export async function optionalPackage<Module>(
  source: string,
  name: string,
  load: () => Promise<Module>,
): Promise<Module> {
  try {
    return await load();
  } catch (error) {
    const problem = messageOf(error).split('\n')[0] as string;
    throw new MillraceError('PACKAGE_MISSING', { source, package: name, problem });
  }
}
