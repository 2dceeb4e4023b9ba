/** The job of the simulation as a module that the command line and workers load. */
export { job as default } from '../simulation/job.ts';
