/**
 * Values that change their form over the years. What is written says its version; what is older is
 * brought up, version by version, when it is read: nothing is rewritten at once.
 *
 *   C1 · u8 version · value
 *
 * No value of MessagePack, JSON or UTF-8 text begins with the byte C1: a value without it was
 * written before there were versions, and is version 0.
 */
import { refusePromise } from '../base/promises.ts';
import { aFunction, anObject, aSerde, checkSetting, wholeNumber } from '../base/settings.ts';
import { checked, isChecked } from './faithful.ts';
import type { Serde } from './serde.ts';

const mark = 0xc1;

/** From one version to the next; the number is the version it takes. */
export type Upcasters = Readonly<Record<number, (older: never) => unknown>>;

/**
 * @param version of what is written, 1 to 255
 * @param upcasters from each version that may still lie somewhere to the next one; 0: from before
 *   versions. Decoding a version without one, or a later one, throws.
 * @param serde of the newest form; older forms must be readable by it
 * @throws CONFIG_INVALID for a version that is no whole number from 1 to 255
 */
export function versioned<T>(version: number, upcasters: Upcasters, serde: Serde<T>): Serde<T> {
  checkSetting('versioned.version', version, wholeNumber(1, 255));
  checkSetting('versioned.upcasters', upcasters, anObject);
  checkSetting('versioned.serde', serde, aSerde);
  for (const [from, upcast] of Object.entries(upcasters)) {
    checkSetting('versioned.upcasters', Number(from), wholeNumber(0, version - 1));
    checkSetting(`versioned.upcasters.${from}`, upcast, aFunction);
  }
  const up = (from: number, value: unknown): T => {
    let risen = value;
    for (let at = from; at < version; at++) {
      const upcast = upcasters[at] as ((older: unknown) => unknown) | undefined;
      if (upcast === undefined) {
        throw new TypeError(
          `a value of version ${from} cannot be read: there is no upcaster from ${at}`,
        );
      }
      risen = upcast(risen);
      if (typeof risen === 'object') refusePromise(risen, `the upcaster from ${at}`);
    }
    return risen as T;
  };
  const made: Serde<T> = {
    format: `versioned.${version}:${serde.format}`,
    encode(value) {
      return Buffer.concat([Buffer.from([mark, version]), serde.encode(value)]);
    },
    decode(bytes, start, end) {
      if (end - start < 2 || bytes[start] !== mark) return up(0, serde.decode(bytes, start, end));
      const from = bytes[start + 1] as number;
      if (from > version) {
        throw new TypeError(
          `a value of version ${from} cannot be read: this code knows ${version} at most`,
        );
      }
      return up(from, serde.decode(bytes, start + 2, end));
    },
  };
  return isChecked(serde) ? checked(made) : made;
}

/** How a format that was deployed relates to one that reads it. */
export type FormatChange = 'same' | 'upcast' | 'other';

/** Compares formats in which versioned ones may occur anywhere, such as those of stores. */
export function formatChange(deployed: string, now: string): FormatChange {
  if (deployed === now) return 'same';
  const versions = /versioned\.(\d+):/g;
  if (deployed.replace(versions, '') !== now.replace(versions, '')) return 'other';
  const [before, after] = [deployed, now].map((format) =>
    [...format.matchAll(versions)].map(([, version]) => Number(version)),
  ) as [number[], number[]];
  const risen = before.every((version, i) => version <= (after[i] ?? 0));
  return before.length <= after.length && risen ? 'upcast' : 'other';
}
