/** The ready application, as the engine's command line is given it. */
import { fileURLToPath } from 'node:url';
import { moduleAt, type ShippedApplication } from '../../engine/cli/index.ts';
import { checkGateway } from '../gateway/gateway-config.ts';
import { eventMappings } from './mappings.ts';

/** The name of the ready topology. */
export const ready = 'personalisation';

/** The ready topology as workers load it. */
export const personalisationModule = fileURLToPath(moduleAt('topologies/personalisation'));

export const application: ShippedApplication = {
  mappings: eventMappings(),
  module: personalisationModule,
  versionProgram: moduleAt('topologies/app/serve-version'),
  // The same file may also configure the gateway.
  checkBesideSources: (others) => {
    checkGateway(others);
  },
};
