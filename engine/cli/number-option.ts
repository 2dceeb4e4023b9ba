/** An option of the command line whose value is a number. */
import { Option } from 'commander';
import { checkSetting, type Rule } from '../base/settings.ts';

/**
 * An option whose value is a whole number.
 * @param flags as commander has them, e.g. '--threads <n>'
 * @param rule what the number must be; what breaks it is CONFIG_INVALID that names the option
 */
export function numberOption(flags: string, about: string, rule: Rule): Option {
  const field = flags.split(' ')[0] as string;
  return new Option(flags, about).argParser((text: string) => {
    // Refuses 1e3, 0x10 and an empty text, which are probably mistakes.
    const value = /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
    return checkSetting(field, value, rule);
  });
}
