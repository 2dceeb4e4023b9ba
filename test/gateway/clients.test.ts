/** SDKs that people have already, unchanged, against a running gateway. */
import RudderAnalytics from '@rudderstack/rudder-sdk-node';
import { Analytics } from '@segment/analytics-node';
import { buildPageView, newTracker } from '@snowplow/node-tracker';
import { CloudEvent, emitterFor, HTTP, httpTransport, Mode } from 'cloudevents';
import { describe, expect, test } from 'vitest';
import { hashOf, post, startGateway } from './running.ts';

const keyed = {
  accounts: { writeKeys: [{ name: 'shop', sha256: hashOf('key-1') }] },
};

describe('clients of other systems', () => {
  test("Segment's SDK sends with a write key, and times are corrected by sentAt", async () => {
    const gateway = await startGateway(keyed);
    const failed: unknown[] = [];
    const analytics = new Analytics({ writeKey: 'key-1', host: gateway.url, flushAt: 2 });
    analytics.on('error', (error) => failed.push(error));
    const order = { order_id: 'o1', total: 12.5, currency: 'EUR' };
    analytics.track({ userId: 'ann', event: 'Order Completed', properties: order });
    analytics.identify({ userId: 'ann', traits: { plan: 'pro' } });
    analytics.page({ anonymousId: 'anon-1', name: 'Home' });
    await analytics.closeAndFlush();
    expect(failed).toEqual([]);
    const events = await gateway.records('events');
    expect(events.map(({ key, value }) => [key, value['class']]).sort()).toEqual([
      ['ann', 'profile_updated'],
      ['ann', 'purchase'],
      ['anon-1', 'page_view'],
    ]);
    expect(events.find(({ value }) => value['class'] === 'purchase')?.value).toMatchObject({
      item: 'o1',
      numbers: { amount: 1250 },
      currency: 'EUR',
    });
  });

  test("RudderStack's SDK speaks the same", async () => {
    const gateway = await startGateway(keyed);
    const analytics = new RudderAnalytics('key-1', { dataPlaneUrl: gateway.url });
    analytics.track({ userId: 'bob', event: 'Product Viewed', properties: { product_id: 'p1' } });
    await new Promise<void>((done) => {
      analytics.flush(() => done());
    });
    const events = await gateway.records('events');
    expect(events.map(({ key, value }) => [key, value['class'], value['item']])).toEqual([
      ['bob', 'product_view', 'p1'],
    ]);
  });

  test("Snowplow's tracker sends page views", async () => {
    const gateway = await startGateway();
    const sent = new Promise<number>((done, fail) => {
      const tracker = newTracker({ namespace: 'web', appId: 'shop', encodeBase64: true }, {
        endpoint: gateway.url,
        eventMethod: 'post',
        bufferSize: 1,
        onRequestSuccess: (batch: unknown[]) => done(batch.length),
        onRequestFailure: (failure: unknown) => fail(new Error(JSON.stringify(failure))),
      } as never);
      tracker.setUserId('cid');
      tracker.track(buildPageView({ pageUrl: 'https://shop.example/a', pageTitle: 'A' }));
    });
    expect(await sent).toBe(1);
    const events = await gateway.records('events');
    expect(events.map(({ key, value }) => [key, value['class']])).toEqual([['cid', 'page_view']]);
  });

  test('CloudEvents in each of their forms, an event of another form beside good ones is told', async () => {
    const gateway = await startGateway();
    const event = (id: string) =>
      new CloudEvent({
        id,
        source: 'shop',
        type: 'email_click',
        subject: 'dan',
        time: '2026-01-01T10:00:00Z',
        data: { item: id },
      });
    for (const mode of [Mode.BINARY, Mode.STRUCTURED]) {
      const emit = emitterFor(httpTransport(`${gateway.url}/v1/events`), { mode });
      await emit(event(`e-${mode}`));
    }
    const good = HTTP.structured(event('e-batch')).body as string;
    const batch = `[${good},{"specversion":"1.0","id":"x"}]`;
    const type = { 'content-type': 'application/cloudevents-batch+json' };
    const answer = await post(`${gateway.url}/v1/events`, batch, type);
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({
      accepted: 1,
      rejected: [{ index: 1, problem: 'lacks source, type, which CloudEvents need' }],
    });
    const events = await gateway.records('events');
    expect(events.map(({ value }) => value['item']).sort()).toEqual([
      'e-batch',
      'e-binary',
      'e-structured',
    ]);
  });
});
