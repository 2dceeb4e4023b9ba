/** `start`: takes in logs, or a sample, runs the ready topology over them, and shows the result. */
import { checkTaken, print, printJson } from '../../engine/cli/index.ts';
import { personalisationReport, reportText } from './start-report.ts';
import { type TakeInOptions, takeIn } from './take-in.ts';

export interface StartOptions extends TakeInOptions {
  /** Subjects shown. */
  readonly top: number;
}

export async function start(options: StartOptions): Promise<void> {
  await takeIn(options, {
    stays: options.serve ?? (process.stdout.isTTY === true && options.json !== true),
    async report(execution, config) {
      const report = await personalisationReport(execution, config, options.top);
      if (options.json === true) printJson(report);
      else print(reportText(report, options.data));
      checkTaken(execution.runtime.summary);
    },
  });
}
