/**
 * Errors name settings as in the API (option `onOffsetLost`). For users of the command line they
 * are replaced by flags (--on-offset-lost).
 */
export const settingFlags: Readonly<Record<string, string>> = {
  brokers: '--brokers',
  data: '--data or MILLRACE_DATA',
  fresh: '--fresh',
  groupProtocol: '--group-protocol',
  http: '--http',
  key: '--key',
  onOffsetLost: '--on-offset-lost',
  orphans: '--orphan',
  stack: '--stack',
  stateBackend: '--state-backend',
  statsd: '--statsd',
  time: '--time',
  timeFormat: '--time-format',
};

/** The text of an error with setting names replaced by flags. */
export function inFlags(text: string): string {
  return text.replace(/\boption `(\w+)`/g, (named, name: string) => settingFlags[name] ?? named);
}
