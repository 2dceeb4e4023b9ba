/** The routes for questions about any topology. */
import { changeRoutes } from '../http/change-routes.ts';
import { processRoutes } from '../http/processes.ts';
import type { AnyRoute } from '../http/routes.ts';
import { tableRoutes } from '../http/table-routes.ts';
import type { LocalTasks } from '../runtime/local-tasks.ts';
import type { Running } from './execution-options.ts';
import { operateRoutes } from './operate-routes.ts';

export function engineRoutes(asked: Running): readonly AnyRoute[] {
  const local = {
    ask: (...args: Parameters<LocalTasks['ask']>) => asked.runtime.tasks.ask(...args),
    get commitId() {
      return asked.runtime.tasks.commitId;
    },
  };
  const processes = processRoutes({
    local,
    get owners() {
      return asked.owners;
    },
    lag: () => asked.runtime.lag(),
  });
  return [...tableRoutes(asked), ...changeRoutes(asked), ...operateRoutes(asked), ...processes];
}
