/** What an engagement score counts. All of it is configuration; these are the defaults. */
import { MillraceError } from 'millrace';
import { decayTable } from './decay.ts';

export interface EventClass {
  readonly channel: string;
  /** Points of a counted event, in thousandths. */
  readonly weight: number;
  /** Most events counted in one hour. */
  readonly perHour: number;
}

export interface Channel {
  readonly halfLifeHours: number;
  /** Millipoints that give half of the full sub-score. */
  readonly saturation: number;
  /** Share in the score; only the ratio counts. */
  readonly share: number;
}

export interface Band {
  readonly name: string;
  /** The least score of the band. */
  readonly from: number;
}

export interface EngagementConfig {
  readonly classes: Readonly<Record<string, EventClass>>;
  readonly channels: Readonly<Record<string, Channel>>;
  /** Ascending; the first begins at 0. */
  readonly bands: readonly Band[];
  /** How far below its bound the score falls before the band is left. */
  readonly hysteresis: number;
  /** How much older than the subject's newest event an event may be, ms. */
  readonly graceMs: number;
}

const day = 86_400_000;

export const defaultEngagement: EngagementConfig = {
  classes: {
    email_open: { channel: 'email', weight: 1_000, perHour: 3 },
    email_click: { channel: 'email', weight: 4_000, perHour: 3 },
    email_reply: { channel: 'email', weight: 6_000, perHour: 2 },
    page_view: { channel: 'web', weight: 300, perHour: 10 },
    product_view: { channel: 'web', weight: 800, perHour: 6 },
    add_to_cart: { channel: 'web', weight: 5_000, perHour: 3 },
    purchase: { channel: 'purchase', weight: 12_000, perHour: 2 },
    loyalty_redeem: { channel: 'loyalty', weight: 8_000, perHour: 2 },
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
  graceMs: 7 * day,
};

/** Refuses what cannot be computed exactly; the error names the field. */
export function checkEngagement(config: EngagementConfig): EngagementConfig {
  for (const [name, { channel, weight, perHour }] of Object.entries(config.classes)) {
    const field = `classes.${name}`;
    integer(`${field}.weight`, weight, 0);
    integer(`${field}.perHour`, perHour, 1);
    if (config.channels[channel] === undefined) {
      fail(`${field}.channel`, `there is no channel ${JSON.stringify(channel)}`);
    }
  }
  for (const [name, channel] of Object.entries(config.channels)) {
    integer(`channels.${name}.halfLifeHours`, channel.halfLifeHours, 1);
    integer(`channels.${name}.saturation`, channel.saturation, 1);
    integer(`channels.${name}.share`, channel.share, 1);
    checkExact(config, name, channel);
  }
  if (config.bands[0]?.from !== 0) fail('bands.0.from', 'the first band begins at 0');
  config.bands.forEach(({ from }, i) => {
    integer(`bands.${i}.from`, from, 0);
    if (i > 0 && from <= (config.bands[i - 1]?.from ?? 0)) fail(`bands.${i}.from`, 'must rise');
  });
  integer('hysteresis', config.hysteresis, 0);
  integer('graceMs', config.graceMs, 0);
  return config;
}

/** Sums of a channel must stay safe integers, or the score would not be exact. */
function checkExact(config: EngagementConfig, name: string, channel: Channel): void {
  let perHour = 0;
  for (const eventClass of Object.values(config.classes)) {
    if (eventClass.channel === name) perHour += eventClass.perHour * eventClass.weight;
  }
  const decay = decayTable(channel.halfLifeHours).reduce((sum, d) => sum + d, 0);
  if (perHour * decay >= 2 ** 53) {
    fail(`channels.${name}`, 'weights times half-life are too great for exact integers');
  }
}

function integer(field: string, value: unknown, least: number): void {
  if (!Number.isSafeInteger(value) || (value as number) < least) {
    fail(field, `must be an integer of ${least} or more, is ${JSON.stringify(value)}`);
  }
}

function fail(field: string, problem: string): never {
  throw new MillraceError('CONFIG_INVALID', { field: `engagement.${field}`, problem });
}
