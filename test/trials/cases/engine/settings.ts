/** A setting that makes no sense is refused when the topology is built. */
import assert from 'node:assert/strict';
import { joinWindow, session, topic, tumbling } from 'millrace';
import { type Any, a, b, on, out } from './driver.ts';

const builds: Record<string, (t: Any, value: Any) => unknown> = {
  historyMs: (t, value) => t.table('r', b, { historyMs: value }),
  ttlMs: (t, value) => t.table('r', b, { ttlMs: value }),
  'dedupe within': (t, value) => t.stream(a).dedupe('d', (v: Any) => v.id, value).to(out),
  'window retention': (t, value) =>
    t.stream(a).window(tumbling({ size: 10, grace: 0 })).count('c', { retentionMs: value }),
  'window size': (t, value) => t.stream(a).window(tumbling({ size: value, grace: 0 })).count('c'),
  'session gap': (t, value) => t.stream(a).window(session({ gap: value, grace: 0 })).count('c'),
  'join before': (t, value) =>
    t
      .stream(a)
      .join('j', t.stream(b), joinWindow({ before: 1, after: 1, grace: value }), () => 1)
      .to(out),
  partitions: (t, value) => t.stream(topic<string, Any>('p', { partitions: value })).to(out),
};

for (const [name, build] of Object.entries(builds)) {
  for (const value of [Number.NaN, -5, '10', Number.POSITIVE_INFINITY]) {
    if (name === 'partitions' && value === '10') continue;
    const attempt = on(
      (t) => {
        build(t, value);
        return {};
      },
      async () => {},
    );
    await assert.rejects(
      attempt,
      (error: Any) => error.code === 'CONFIG_INVALID' || error.code === 'TOPOLOGY_INVALID',
      `${name}: ${value}`,
    );
  }
}
console.log('as it must be');
