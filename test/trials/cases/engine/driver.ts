/** What the scripts of this folder share: topics of any value, and rows as [key, value]. */
import { type Topic, topic, topology } from 'millrace';
import { testDriver } from 'millrace/testing';

// biome-ignore lint/suspicious/noExplicitAny: scripts try values that types would refuse
export type Any = any;

export const a: Topic<string, Any> = topic<string, Any>('a');
export const b: Topic<string, Any> = topic<string, Any>('b');
export const out: Topic<string, Any> = topic<string, Any>('out');

export const rowsOf = (rows: readonly { readonly key: unknown; readonly value: unknown }[]) =>
  rows.map(({ key, value }) => [key, value]);

/** Runs `body` on a topology of its own. */
export async function on(
  define: (t: Any) => Any,
  body: (driver: Any, exported: Any) => Promise<void>,
  options = {},
): Promise<void> {
  const built = topology('trial', define) as Any;
  const driver = await testDriver(built, options);
  try {
    await body(driver, built.exports);
  } finally {
    await driver.close();
  }
}
