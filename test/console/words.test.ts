/** Conditions of segments as the console says them. */
import { expect, test } from 'vitest';
import { conditionText } from '../../console/lib/words.ts';

const month = '28d';

test('what has not happened is said by its own phrase', () => {
  const absent = (event: string) => conditionText({ absent: { event, for: month } });
  expect(absent('purchase')).toBe('has not bought something for 28 days');
  expect(absent('email_sent')).toBe('has not been sent an email for 28 days');
  expect(absent('remove_from_cart')).toBe('has not taken something out of the cart for 28 days');
  expect(absent('wishlist_add')).toBe('has not had wishlist add for 28 days');
  const count = { event: 'email_sent', op: 'ge', n: 2, within: month };
  expect(conditionText({ count })).toBe('was sent an email at least 2 times in the last 28 days');
});
