/** Tells of each person who has not been seen for three seconds, over six partitions. */
import { topic, utf8 } from 'millrace';
import { absence } from '../time/absence-module.ts';

export const partitions = 6;
/** Those who are alone have the last partition to themselves. */
const partitioner = (key: string | null) =>
  key?.startsWith('alone') ? partitions - 1 : Number(key?.replace(/\D/g, '')) % (partitions - 1);
const options = { value: utf8, partitions, partitioner } as const;

/** The value is the person, too. */
export const visits = topic<string, string>('absence-visits', options);
export const views = topic<string, string>('absence-views', options);
export const goneDirect = topic<string, string>('absence-direct', { value: utf8, partitions: 1 });
export const goneBehind = topic<string, string>('absence-behind', { value: utf8, partitions: 1 });

export default absence(visits, views, goneDirect, goneBehind);
