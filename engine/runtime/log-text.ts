/** Formats a log line for a terminal: time, level, message, and values. */

const colours: Readonly<Record<string, number>> = { debug: 90, info: 36, warn: 33, error: 31 };
const [grey, reset] = ['\u001b[90m', '\u001b[0m'];
const levelWidth = 5;

/** @param at wall time, ms UTC; shown in the local zone @param isColoured use ANSI colours */
export function logText(
  at: number,
  level: string,
  text: string,
  event: object,
  isColoured: boolean,
): string {
  const values = Object.entries(event)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${valueText(name, value)}`)
    .join(' ');
  const time = clockText(new Date(at));
  const shown = level.toUpperCase().padEnd(levelWidth);
  if (!isColoured) return `${time} ${shown} ${text}${values === '' ? '' : `  ${values}`}\n`;
  const colour = `\u001b[${colours[level] ?? 0}m`;
  const rest = values === '' ? '' : `  ${grey}${values}${reset}`;
  return `${grey}${time}${reset} ${colour}${shown}${reset} ${text}${rest}\n`;
}

function clockText(date: Date): string {
  const two = (value: number) => String(value).padStart(2, '0');
  const clock = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':');
  return `${clock}.${String(date.getMilliseconds()).padStart(3, '0')}`;
}

function valueText(name: string, value: unknown): string {
  if (typeof value === 'number') {
    if (name.endsWith('Ms')) return `${Math.round(value * 10) / 10} ms`;
    return Number.isInteger(value) ? String(value) : String(Math.round(value * 1_000) / 1_000);
  }
  if (typeof value !== 'string') return oneLine(JSON.stringify(value) ?? '');
  return /^[\w./:@-]+$/.test(value) ? value : oneLine(JSON.stringify(value));
}

/** Escapes external text, so that it cannot add lines or colours. */
function oneLine(text: string): string {
  return text.replace(/\p{Cc}/gu, '?');
}
