/** What an engagement score counts. Everything is configuration; these are the defaults. */
import {
  aRecord,
  checkSettings,
  choice,
  count,
  flag,
  list,
  ms,
  optional,
  refuseSetting,
  text,
  texts,
} from 'millrace/steps';
import { withoutInherited } from '../dictionary.ts';
import { dayMs } from '../time-units.ts';
import { decayTable } from './decay.ts';

/** What counts once an hour: the item, the item with its link, or the event itself. */
export const countedKeys = ['item', 'item-link', 'id'] as const;

/** How events of a class count. */
export interface EventClass {
  /** Name of the channel that gets the points. */
  readonly channel: string;
  /**
   * Points of a counted event, in thousandths; 0 for a class that is counted but gives no points.
   */
  readonly weight: number;
  /** The most events that count in one hour. */
  readonly perHour: number;
  /** Default 'item'. */
  readonly key?: (typeof countedKeys)[number];
  /** The class stands for what a machine did: it is no sign of life of the subject. */
  readonly machine?: boolean;
}

/** When opens of a subject are ignored, because too many of them are a machine's. */
export interface OpenSignal {
  /** Class of opens by people. */
  readonly human: string;
  /** Class of opens by machines. */
  readonly machine: string;
  /** If at least this share of opens is a machine's, in percent, no open counts. */
  readonly percent: number;
  /** Length of the window, hours. */
  readonly hours: number;
}

/** The value of an order: a number in minor units, and the currency it is in. */
export interface Money {
  /** Classes of events that are orders. */
  readonly classes: readonly string[];
  /** The number of the event that holds the value, in minor units. */
  readonly number: string;
  /** Currency of orders that name none, ISO 4217. */
  readonly currency: string;
}

/** A channel of the score. */
export interface Channel {
  /** Hours after which points have half of their weight. */
  readonly halfLifeHours: number;
  /** Millipoints at which the sub-score is half of its maximum. */
  readonly saturation: number;
  /** Share in the score; only the ratio counts. */
  readonly share: number;
}

/** A range of scores. */
export interface Band {
  readonly name: string;
  /** The smallest score of the band. */
  readonly from: number;
}

/** What a score counts, and how. */
export interface EngagementConfig {
  /** By class; others are not counted. */
  readonly classes: Readonly<Record<string, EventClass>>;
  /** By name. */
  readonly channels: Readonly<Record<string, Channel>>;
  /** Ascending; the first begins at 0. */
  readonly bands: readonly Band[];
  /** The band is left when the score is this far below its bound. */
  readonly hysteresis: number;
  /** How much older than the subject's newest event an event may be, ms. */
  readonly graceMs: number;
  /**
   * How much older than its refund an order may be, ms; a refund does not remove an older order.
   */
  readonly refundMs: number;
  /** IANA time zone by whose days active days are counted. */
  readonly zone: string;
  /** The channel that bounces, complaints and withdrawals shut. */
  readonly gatedChannel: string;
  /** The purpose whose withdrawn consent shuts that channel. */
  readonly gatePurpose: string;
  /** When opens of a subject are ignored. */
  readonly openSignal: OpenSignal;
  /** The value of orders. */
  readonly money: Money;
}

/** Used for what a configuration leaves out. */
export const defaultEngagement: EngagementConfig = {
  classes: {
    email_open: { channel: 'email', weight: 1_000, perHour: 3 },
    email_click: { channel: 'email', weight: 4_000, perHour: 3, key: 'item-link' },
    email_reply: { channel: 'email', weight: 6_000, perHour: 2 },
    email_forward: { channel: 'email', weight: 6_000, perHour: 2 },
    machine_open: { channel: 'email', weight: 0, perHour: 3, machine: true },
    machine_click: { channel: 'email', weight: 0, perHour: 3, key: 'item-link', machine: true },
    page_view: { channel: 'web', weight: 300, perHour: 10, key: 'id' },
    product_view: { channel: 'web', weight: 800, perHour: 6 },
    machine_view: { channel: 'web', weight: 0, perHour: 10, key: 'id', machine: true },
    add_to_cart: { channel: 'web', weight: 5_000, perHour: 3 },
    remove_from_cart: { channel: 'web', weight: 0, perHour: 3 },
    purchase: { channel: 'purchase', weight: 12_000, perHour: 2 },
    loyalty_redeem: { channel: 'loyalty', weight: 8_000, perHour: 2 },
    coupon: { channel: 'loyalty', weight: 8_000, perHour: 2 },
  },
  channels: {
    email: { halfLifeHours: 336, saturation: 6_000, share: 40 },
    web: { halfLifeHours: 168, saturation: 10_000, share: 25 },
    purchase: { halfLifeHours: 1_440, saturation: 12_000, share: 25 },
    loyalty: { halfLifeHours: 720, saturation: 6_000, share: 10 },
  },
  bands: [
    { name: 'dormant', from: 0 },
    { name: 'cool', from: 10 },
    { name: 'warm', from: 30 },
    { name: 'hot', from: 60 },
  ],
  hysteresis: 5,
  graceMs: 7 * dayMs,
  refundMs: 30 * dayMs,
  zone: 'UTC',
  gatedChannel: 'email',
  gatePurpose: 'marketing-email',
  openSignal: { human: 'email_open', machine: 'machine_open', percent: 80, hours: 720 },
  money: { classes: ['purchase'], number: 'amount', currency: 'none' },
};

/**
 * Refuses settings of a wrong type, and those that cannot be computed exactly. @throws
 * CONFIG_INVALID that names the field
 */
export function checkEngagement(given: EngagementConfig): EngagementConfig {
  checkSettings(of(''), given, {
    classes: aRecord,
    channels: aRecord,
    bands: list,
    hysteresis: count(0),
    graceMs: ms(0),
    refundMs: ms(0),
    zone: text,
    gatedChannel: text,
    gatePurpose: text,
    openSignal: aRecord,
    money: aRecord,
  });
  const config = {
    ...given,
    classes: withoutInherited(given.classes),
    channels: withoutInherited(given.channels),
  };
  const channelNamed = (field: string, name: string) => {
    if (config.channels[name] !== undefined) return;
    refuseSetting(of(field), `there is no channel ${JSON.stringify(name)}`);
  };
  for (const [name, channel] of Object.entries(config.channels)) {
    checkSettings(of(`channels.${name}`), channel, {
      halfLifeHours: count(1),
      saturation: count(1),
      share: count(1),
    });
  }
  for (const [name, eventClass] of Object.entries(config.classes)) {
    checkSettings(of(`classes.${name}`), eventClass, {
      channel: text,
      weight: count(0),
      perHour: count(1),
      key: optional(choice(...countedKeys)),
      machine: optional(flag),
    });
    channelNamed(`classes.${name}.channel`, eventClass.channel);
  }
  for (const [name, channel] of Object.entries(config.channels)) checkExact(config, name, channel);
  checkBands(config.bands);
  checkSettings(of('openSignal'), config.openSignal, {
    human: text,
    machine: text,
    percent: count(1),
    hours: count(1),
  });
  checkSettings(of('money'), config.money, { classes: texts, number: text, currency: text });
  channelNamed('gatedChannel', config.gatedChannel);
  try {
    new Intl.DateTimeFormat('en', { timeZone: config.zone });
  } catch {
    refuseSetting(of('zone'), `there is no time zone ${JSON.stringify(config.zone)}`);
  }
  return config;
}

function checkBands(bands: readonly Band[]): void {
  const names = new Set<string>();
  for (const [i, band] of bands.entries()) {
    const field = of(`bands.${i}`);
    checkSettings(field, band, { name: text, from: count(0) });
    if (names.has(band.name)) refuseSetting(`${field}.name`, 'is the name of two bands');
    names.add(band.name);
    if (i > 0 && band.from <= (bands[i - 1]?.from ?? 0))
      refuseSetting(`${field}.from`, 'must rise');
  }
  if (bands[0]?.from !== 0) refuseSetting(of('bands.0.from'), 'must be 0 for the first band');
}

/** Sums of a channel must stay safe integers, or the score would not be exact. */
function checkExact(config: EngagementConfig, name: string, channel: Channel): void {
  let perHour = 0;
  for (const eventClass of Object.values(config.classes)) {
    if (eventClass.channel === name) perHour += eventClass.perHour * eventClass.weight;
  }
  const decay = decayTable(channel.halfLifeHours).reduce((sum, d) => sum + d, 0);
  if (perHour * decay >= 2 ** 53) {
    const problem = 'weights times half-life must fit into exact integers';
    refuseSetting(of(`channels.${name}`), problem);
  }
}

function of(field: string): string {
  return field === '' ? 'engagement' : `engagement.${field}`;
}
