/**
 * Tells people from machines: link scanners, proxies that fetch ahead, crawlers. Named rules
 * decide, over the event and its siblings in the set; neither chance nor the order of arrival has a
 * part:
 *
 *   E1  the provider says so
 *   E2  the address or the agent is on a list
 *   E3  the request was HEAD, or a fetch ahead without cookies
 *   E4  a link that no person sees was clicked: all clicks of that message from the same address
 *       and agent, ten minutes before and after, are a machine's
 *   E5  a burst: of one message, within one fixed minute, at least three links and half of those it
 *       has
 *   E6  a click before the message was delivered, or within two seconds after
 *
 * An event is a machine's by E1, E4 or E5 alone, or by two of E2, E3 and E6.
 */
import { BlockList, isIP } from 'node:net';
import {
  aRecord,
  checkSetting,
  checkSettings,
  count,
  ms,
  refuseSetting,
  text,
  texts,
} from 'millrace/steps';
import { withoutInherited } from '../dictionary.ts';
import type { Event } from '../event.ts';

export type MachineRule = 'E1' | 'E2' | 'E3' | 'E4' | 'E5' | 'E6';

/** Settings of the rules that tell machines from people. */
export interface MachineConfig {
  /**
   * Part of every label, to say which rules decided. Raise it with any change of this
   * configuration.
   */
  readonly version: number;
  /** By class: the class that such an event counts as when a machine made it. */
  readonly of: Readonly<Record<string, string>>;
  /** Classes of events that are clicks (E4 to E6). */
  readonly clicks: readonly string[];
  /** Class of the event that tells a delivery (E6). */
  readonly delivered: string;
  /** CIDR blocks or single addresses, IPv4 or IPv6. */
  readonly networks: readonly string[];
  /** Parts of user agents; upper and lower case are the same. */
  readonly agents: readonly string[];
  /** E4: how far from the click on the invisible link, ms. */
  readonly honeypotMs: number;
  /** E5: length of the fixed window, ms. */
  readonly burstMs: number;
  /** E5: the fewest distinct links of a burst. */
  readonly burstLinks: number;
  /** E6: how long before its delivery a click counts against, ms. */
  readonly beforeDeliveryMs: number;
  /** E6: how long after its delivery a click counts against, ms. */
  readonly afterDeliveryMs: number;
}

/** Used for what a configuration leaves out. */
export const defaultMachine: MachineConfig = {
  version: 1,
  of: {
    email_open: 'machine_open',
    email_click: 'machine_click',
    page_view: 'machine_view',
    product_view: 'machine_view',
  },
  clicks: ['email_click'],
  delivered: 'email_delivered',
  networks: [],
  agents: ['bot', 'crawler', 'spider', 'headless', 'python-requests', 'curl/', 'wget/'],
  honeypotMs: 600_000,
  burstMs: 60_000,
  burstLinks: 3,
  beforeDeliveryMs: 600_000,
  afterDeliveryMs: 2_000,
};

/** Refuses invalid settings. @throws CONFIG_INVALID that names the field */
export function checkMachine(given: MachineConfig): MachineConfig {
  checkSettings('machine', given, {
    version: count(0),
    of: aRecord,
    clicks: texts,
    delivered: text,
    networks: texts,
    agents: texts,
    honeypotMs: ms(0),
    burstMs: ms(1),
    burstLinks: count(0),
    beforeDeliveryMs: ms(0),
    afterDeliveryMs: ms(0),
  });
  const config = { ...given, of: withoutInherited(given.of) };
  for (const [name, as] of Object.entries(config.of)) checkSetting(`machine.of.${name}`, as, text);
  return config;
}

/** An activity with its instant, ms UTC. */
export interface Activity {
  readonly at: number;
  readonly event: Event;
}

/** What is known of one message: its clicks, and when it was delivered. */
export interface MessageFacts {
  readonly clicks: readonly Activity[];
  readonly delivered: readonly number[];
}

export class MachineRules {
  readonly config: MachineConfig;
  readonly #networks = new BlockList();
  readonly #agents: readonly string[];

  /** @throws CONFIG_INVALID that names the field */
  constructor(config: MachineConfig) {
    this.config = config;
    config.networks.forEach((network, i) => {
      const [address = '', bits] = network.split('/');
      const family = isIP(address);
      const width = family === 4 ? 32 : 128;
      const prefix = bits === undefined ? width : Number(bits);
      if (family === 0 || !Number.isInteger(prefix) || prefix < 0 || prefix > width) {
        const problem = `${JSON.stringify(network)} is not an address or CIDR block, e.g. 192.0.2.0/24`;
        refuseSetting(`machine.networks.${i}`, problem);
      }
      this.#networks.addSubnet(address, prefix, family === 4 ? 'ipv4' : 'ipv6');
    });
    this.#agents = config.agents.map((agent) => agent.toLowerCase());
  }

  /**
   * The class that the event counts as when a machine made it; undefined for a class of which the
   * rules say nothing.
   */
  machineClass({ class: name }: Event): string | undefined {
    return this.config.of[name];
  }

  isClick({ class: name }: Event): boolean {
    return this.config.clicks.includes(name);
  }

  /** All rules that match, in order; `rulesDecide` says whether they are enough. */
  rulesFor(activity: Activity, message: MessageFacts): MachineRule[] {
    const { event } = activity;
    const { machine, method, prefetch, ip, agent } = event.evidence ?? {};
    const rules: MachineRule[] = [];
    if (machine === true) rules.push('E1');
    if (this.#isListed(ip, agent)) rules.push('E2');
    if (method?.toUpperCase() === 'HEAD' || prefetch === true) rules.push('E3');
    if (!this.isClick(event)) return rules;
    if (this.#nearHoneypot(activity, message)) rules.push('E4');
    if (this.#inBurst(activity, message)) rules.push('E5');
    if (this.#atDelivery(activity, message)) rules.push('E6');
    return rules;
  }

  #isListed(ip: string | undefined, agent: string | undefined): boolean {
    const family = ip === undefined ? 0 : isIP(ip);
    if (ip !== undefined && family !== 0) {
      if (this.#networks.check(ip, family === 4 ? 'ipv4' : 'ipv6')) return true;
    }
    const lower = agent?.toLowerCase();
    return lower !== undefined && this.#agents.some((part) => lower.includes(part));
  }

  #nearHoneypot({ at, event }: Activity, { clicks }: MessageFacts): boolean {
    const source = sourceOf(event);
    return clicks.some(
      (click) =>
        click.event.evidence?.honeypot === true &&
        sourceOf(click.event) === source &&
        Math.abs(click.at - at) <= this.config.honeypotMs,
    );
  }

  #inBurst({ at }: Activity, { clicks }: MessageFacts): boolean {
    const bucket = Math.floor(at / this.config.burstMs);
    const links = new Set<string>();
    let known = 0;
    for (const click of clicks) {
      if (Math.floor(click.at / this.config.burstMs) !== bucket) continue;
      if (click.event.link !== undefined) links.add(click.event.link);
      known = Math.max(known, click.event.evidence?.links ?? 0);
    }
    return links.size >= this.config.burstLinks && 2 * links.size >= known;
  }

  #atDelivery({ at }: Activity, { delivered }: MessageFacts): boolean {
    const { beforeDeliveryMs, afterDeliveryMs } = this.config;
    return delivered.some((one) => at >= one - beforeDeliveryMs && at <= one + afterDeliveryMs);
  }
}

/** Whether the rules that match make the event a machine's. */
export function rulesDecide(rules: readonly MachineRule[]): boolean {
  const alone = rules.some((rule) => rule === 'E1' || rule === 'E4' || rule === 'E5');
  return alone || rules.length >= 2;
}

function sourceOf({ evidence }: Event): string {
  return `${evidence?.ip ?? ''} ${evidence?.agent ?? ''}`;
}
