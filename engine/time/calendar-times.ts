/**
 * Instants of a calendar: nine o'clock every day, Mondays, the first of the month, in a time zone.
 * For timers of `process` that fire by the calendar.
 */
import type { Temporal } from 'temporal-polyfill';
import { messageOf } from '../base/errors.ts';
import { onDemand } from '../base/on-demand.ts';
import { anObject, checkSetting, refuseSetting } from '../base/settings.ts';

const temporal = onDemand<typeof import('temporal-polyfill')>('temporal-polyfill');

export interface CalendarRule {
  readonly every: 'day' | 'week' | 'month';
  /**
   * Local time, 'HH:MM'. A time that a day skips is moved later by the length of the gap; of a time
   * that occurs twice, the first is used.
   */
  readonly at: string;
  /** IANA name, such as 'Europe/Berlin'. */
  readonly zone: string;
  /**
   * Day of the week, 1 for Monday to 7, or of the month, 1 to 31; a shorter month uses its last
   * day. Default 1.
   */
  readonly on?: number;
}

export interface CalendarTimes {
  /** Returns the first instant of the rule after `instant`; both ms UTC. */
  after(instant: number): number;
}

/**

 * Creates the instants of a rule.
 * @throws CONFIG_INVALID, with the field, for an invalid rule */
export function calendarTimes(rule: CalendarRule): CalendarTimes {
  checkSetting('calendar rule', rule, anObject);
  const { every, zone, on = 1 } = rule;
  const time = timeOf(rule);
  checkDay(every, on);
  const { Temporal } = temporal();
  return {
    after(instant) {
      const start = Temporal.Instant.fromEpochMilliseconds(instant).toZonedDateTimeISO(zone);
      let period = firstDay(start.toPlainDate(), every);
      for (;;) {
        const day = every === 'day' ? period : dayIn(period, every, on);
        const at = day.toZonedDateTime({ timeZone: zone, plainTime: time }).epochMilliseconds;
        if (at > instant) return at;
        period = period.add({ [`${every}s`]: 1 });
      }
    },
  };
}

function firstDay(day: Temporal.PlainDate, every: CalendarRule['every']): Temporal.PlainDate {
  if (every === 'day') return day;
  return every === 'month' ? day.with({ day: 1 }) : day.subtract({ days: day.dayOfWeek - 1 });
}

function dayIn(first: Temporal.PlainDate, every: 'week' | 'month', on: number): Temporal.PlainDate {
  return every === 'week' ? first.add({ days: on - 1 }) : first.with({ day: on });
}

function timeOf({ at, zone }: CalendarRule): Temporal.PlainTime {
  const { Temporal } = temporal();
  try {
    Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(zone);
  } catch (error) {
    refuse('zone', messageOf(error));
  }
  if (typeof at !== 'string' || !/^([01]\d|2[0-3]):[0-5]\d$/.test(at))
    refuse('at', `${at} is no time such as 09:30`);
  return Temporal.PlainTime.from(at);
}

function checkDay(every: CalendarRule['every'], on: number): void {
  const most = { day: 1, week: 7, month: 31 }[every];
  if (most === undefined) refuse('every', `${String(every)} is none of day, week, month`);
  if (Number.isInteger(on) && on >= 1 && on <= most) return;
  refuse('on', `${on} is no whole number from 1 to ${most}`);
}

function refuse(field: string, problem: string): never {
  refuseSetting(`calendar rule: ${field}`, problem);
}
