/** Loads logs and state backends from user modules; the only place that does. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { isAbsolute, join, resolve } from 'node:path';
import { isMillraceError, messageOf } from '../base/errors.ts';
import { refuseSetting } from '../base/settings.ts';
import type { LogFactory } from '../log/log.ts';
import type { BackendFactory } from '../storage/backend.ts';
import {
  type BackendChoice,
  backendNames,
  backendsOf,
  isBackendName,
} from '../storage/backends.ts';
import { defaultExportOf } from './load-module.ts';

/** A choice of a log: a module whose default export is a LogFactory, or the factory itself. */
export type LogChoice = string | LogFactory;

/**
 * The absolute path of a module given by path or package.
 * @param field name of the setting, for messages
 * @throws CONFIG_INVALID if there is no such module
 */
export function moduleChosen(field: string, choice: string): string {
  const path = isAbsolute(choice) ? choice : resolve(choice);
  if (existsSync(path)) return path;
  try {
    return createRequire(join(process.cwd(), 'package.json')).resolve(choice);
  } catch {
    return refuseSetting(field, `${choice} is neither a file nor an installed package`);
  }
}

/** The choice in the form for threads and the data directory: a name, or an absolute path. */
export function backendChosen(choice: BackendChoice): BackendChoice {
  if (isBackendName(choice)) return choice;
  try {
    return moduleChosen('state-backend', choice);
  } catch {
    const names = backendNames.map((name) => `'${name}'`).join(', ');
    const must = `must be one of ${names}, or a module whose default export is a BackendFactory`;
    return refuseSetting('state-backend', `${must}; ${choice} is neither`);
  }
}

/** @throws CONFIG_INVALID for a module without a BackendFactory */
export async function loadBackends(choice: BackendChoice): Promise<BackendFactory> {
  if (isBackendName(choice)) return backendsOf(choice);
  return factoryOf<BackendFactory>('state-backend', choice, ['open', 'destroy'], 'BackendFactory');
}

/** @throws CONFIG_INVALID if the choice is not a LogFactory */
export async function loadLog(choice: LogChoice): Promise<LogFactory> {
  if (typeof choice === 'string') {
    return factoryOf<LogFactory>('log', choice, ['open'], 'LogFactory');
  }
  return checked<LogFactory>('log', choice, ['open'], 'must be a LogFactory');
}

async function factoryOf<T>(
  field: string,
  module: string,
  methods: readonly string[],
  what: string,
): Promise<T> {
  const found = await defaultExportOf(module).catch((error: unknown) => {
    if (isMillraceError(error)) throw error;
    return refuseSetting(field, `${module} cannot be loaded: ${messageOf(error)}`);
  });
  return checked(field, found, methods, `the default export of ${module} must be a ${what}`);
}

function checked<T>(field: string, found: unknown, methods: readonly string[], problem: string): T {
  const given = (found ?? {}) as Readonly<Record<string, unknown>>;
  const missing = methods.filter((method) => typeof given[method] !== 'function');
  if (missing.length > 0) refuseSetting(field, `${problem}, it has no ${missing.join(', ')}()`);
  return found as T;
}
