/** The process of one version of a topology that `dev` runs. */
import { serveVersion } from '../../engine/cli/index.ts';
import { application } from './application.ts';

serveVersion(application);
