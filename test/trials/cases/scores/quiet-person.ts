/** A person without opens enters "no open for 30 days" on day 30, while another is active daily. */
import assert from 'node:assert/strict';
import { testDriver } from 'millrace/testing';
import { events, segmentChanges } from '../../topologies/event.ts';
import personalisation from '../../topologies/personalisation.ts';

const day = 86_400_000;
const silent = { id: 'silent', version: 1, when: { absent: { event: 'email_open', for: '30d' } } };
const driver = await testDriver(personalisation({ segments: [silent] } as never));
await driver.pipe(events, 'ann', { id: 'o', class: 'email_open' } as never, 0);
for (let i = 1; i <= 60; i++) {
  await driver.pipe(events, 'bob', { id: `v${i}`, class: 'page_view' } as never, i * day);
}
const changes = await driver.read(segmentChanges);
const ann = changes.filter(({ key }) => key === 'ann').map(({ value }) => value as never);
assert.deepEqual(
  ann.map(({ effectiveAt }: { effectiveAt: number }) => effectiveAt / day),
  [30],
);
await driver.close();
console.log('as it must be');
