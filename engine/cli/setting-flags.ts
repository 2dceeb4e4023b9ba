/**
 * Errors name settings as in the API (option `onOffsetLost`); users of the command line know them
 * by their flags (--on-offset-lost).
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

/** A text of an error with the flags of the settings that it names. */
export function inFlags(text: string): string {
  return text.replace(/\boption `(\w+)`/g, (named, name: string) => settingFlags[name] ?? named);
}
