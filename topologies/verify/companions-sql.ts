/** The companions of the score in SQL: recency, active days, counts, money, repeat buying. */
import { setOwn } from '../dictionary.ts';
import type { Companions } from '../engagement/companions.ts';
import type { EngagementConfig } from '../engagement/engagement-config.ts';
import { hourMs } from '../time-units.ts';
import { type Database, listOf, memberPlace, quoted } from './database.ts';

/** The row of a subject, made when it is first asked for. */
type RowOf = (subject: unknown) => Record<string, unknown>;

/** The companions of every subject at the hour of `at` (ms UTC), in the form of the engine's. */
export function companionsBySql(
  db: Database,
  { zone, money }: EngagementConfig,
  at: number,
): Map<string, Companions> {
  const hour = Math.floor(at / hourMs);
  localDays(db, zone);
  const found = new Map<string, Record<string, unknown>>();
  const of: RowOf = (subject) => {
    const key = String(subject);
    const known = found.get(key) ?? {
      ...{ activeDays7: 0, activeDays30: 0, counts7: {}, counts30: {}, money30: {}, money365: {} },
    };
    found.set(key, known);
    return known;
  };
  for (const row of db.all('select distinct subject from accepted')) of(row['subject']);
  const orders = `from accepted where class in ${listOf(money.classes)} and hour <= :hour`;
  readActivity(db, of, hour);
  readCounts(db, of, hour);
  readMoney(db, of, hour, orders, money);
  readRepeatBuying(db, of, hour, orders);
  return found as unknown as Map<string, Companions>;
}

/** Hours since the last human event, and days with one. */
function readActivity(db: Database, of: RowOf, hour: number): void {
  const human =
    'from counted c join class on class.name = c.class and not machine join local_day d using (hour)';
  for (const row of db.all(
    `select subject, :hour - max(hour) as recency,
      count(distinct case when hour > :hour - 168 then day end) as d7,
      count(distinct case when hour > :hour - 720 then day end) as d30
    ${human} where hour <= :hour group by subject`,
    { hour },
  )) {
    Object.assign(of(row['subject']), {
      recencyHours: row['recency'],
      activeDays7: row['d7'],
      activeDays30: row['d30'],
    });
  }
}

function readCounts(db: Database, of: RowOf, hour: number): void {
  for (const [field, hours] of [
    ['counts7', 168],
    ['counts30', 720],
  ] as const) {
    const sql = `select subject, class as name, sum(n) as value from counted
        where hour > :hour - :hours and hour <= :hour group by subject, class`;
    putByName(of, field, db.all(sql, { hour, hours }));
  }
}

function readMoney(
  db: Database,
  of: RowOf,
  hour: number,
  orders: string,
  { currency, number }: EngagementConfig['money'],
): void {
  for (const [field, hours] of [
    ['money30', 720],
    ['money365', 8_760],
  ] as const) {
    const sql = `select subject, coalesce(currency, ${quoted(currency)}) as name,
        sum(coalesce(json_extract(fields, ${memberPlace('numbers', number)}), 0)) as value
      ${orders} and hour > :hour - :hours group by 1, 2`;
    putByName(of, field, db.all(sql, { hour, hours }));
  }
}

function readRepeatBuying(db: Database, of: RowOf, hour: number, orders: string): void {
  for (const row of db.all(
    `with orders as (select subject, item, min(at) as at ${orders} group by subject, item)
    select subject, count(*) - 1 as x, (max(at) - min(at)) / 86400000 as tx,
      ((:hour + 1) * 3600000 - 1 - min(at)) / 86400000 as age from orders group by subject`,
    { hour },
  )) {
    const { x, tx, age } = row;
    of(row['subject'])['repeatBuying'] = { x, tx, age };
  }
}

function putByName(of: RowOf, field: string, rows: ReturnType<Database['all']>): void {
  for (const { subject, name, value } of rows) {
    setOwn(of(subject)[field] as Record<string, unknown>, String(name), value);
  }
}

/** The table `local_day`: for each hour with an event, the day of the zone in which it begins. */
function localDays(db: Database, zone: string): void {
  const format = new Intl.DateTimeFormat('sv-SE', { timeZone: zone });
  db.run(
    'drop table if exists local_day; create table local_day (hour integer primary key, day text)',
  );
  const hours = db.all('select distinct hour from counted').map((row) => Number(row['hour']));
  db.insert(
    'local_day',
    hours.map((hour) => [hour, format.format(hour * hourMs)]),
  );
}
