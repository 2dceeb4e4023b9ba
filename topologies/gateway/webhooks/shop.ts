/**
 * Orders of shops: the payload of each provider becomes a row of the shipped mapping `shop`. An
 * order is one purchase, when it is paid; money paid back is a refund of the same order.
 */
import { isObject, type Row } from '../../ingest/row-fields.ts';

/** @param topic what happened, as the provider says in a header or in the payload */
export type ShopRows = (payload: unknown, topic: string) => Row[];

/** shopify.dev: Admin REST API, "Webhook" topics, "Order", "Refund". */
export const shopifyRows: ShopRows = (payload, topic) => {
  const order = objectOf(payload);
  if (topic === 'refunds/create') {
    const transactions = listOf(order['transactions']);
    const first = objectOf(transactions[0]);
    return [
      {
        event_kind: 'refunded',
        event_id: `shopify/refund/${order['id']}`,
        event_time: order['created_at'],
        order_id: order['order_id'],
        customer_key: order['email'] ?? first['receipt_email'] ?? first['email'],
        amount: sumOf(transactions.map((one) => objectOf(one)['amount'])),
        currency: first['currency'],
      },
    ];
  }
  const paid = topic === 'orders/paid' || (topic === 'orders/create' && isPaid(order));
  const cancelled = topic === 'orders/cancelled';
  const kind = cancelled ? 'refunded' : paid ? 'paid' : 'other';
  return [
    {
      event_kind: kind,
      event_id: `shopify/${cancelled ? 'cancelled' : 'order'}/${order['id']}`,
      event_time: cancelled ? order['cancelled_at'] : order['created_at'],
      order_id: order['id'],
      customer_key: order['email'] ?? objectOf(order['customer'])['email'],
      amount: order['total_price'],
      currency: order['currency'],
    },
  ];
};

function isPaid(order: Record<string, unknown>): boolean {
  return order['financial_status'] === 'paid';
}

/** woocommerce.github.io: REST API, "Order properties": times are GMT without an offset. */
export const woocommerceRows: ShopRows = (payload) => {
  const order = objectOf(payload);
  // WooCommerce sends a ping of this form once, when a webhook is saved.
  if ('webhook_id' in order && !('status' in order)) return [];
  const status = String(order['status']);
  const refunded = status === 'refunded' || status === 'cancelled';
  const paid = status === 'processing' || status === 'completed';
  const time = refunded
    ? order['date_modified_gmt']
    : (order['date_paid_gmt'] ?? order['date_created_gmt']);
  return [
    {
      event_kind: refunded ? 'refunded' : paid ? 'paid' : 'other',
      event_id: `woocommerce/${refunded ? status : 'order'}/${order['id']}`,
      event_time: typeof time === 'string' && !time.endsWith('Z') ? `${time}Z` : time,
      order_id: order['id'],
      customer_key: objectOf(order['billing'])['email'],
      amount: order['total'],
      currency: order['currency'],
    },
  ];
};

/** docs.stripe.com: "Event", "Charge": amounts are in the currency's smallest unit. */
export const stripeRows: ShopRows = (payload) => {
  const event = objectOf(payload);
  const charge = objectOf(objectOf(event['data'])['object']);
  const kind = { 'charge.succeeded': 'paid', 'charge.refunded': 'refunded' }[String(event['type'])];
  const amount = kind === 'refunded' ? charge['amount_refunded'] : charge['amount'];
  const currency = String(charge['currency'] ?? '').toUpperCase();
  return [
    {
      event_kind: kind ?? 'other',
      event_id: `stripe/${event['id']}`,
      event_time: stripeTime(event['created']),
      order_id: charge['id'],
      customer_key:
        objectOf(charge['billing_details'])['email'] ??
        charge['receipt_email'] ??
        charge['customer'],
      amount: stripeAmount(amount, currency),
      currency,
    },
  ];
};

// docs.stripe.com: "Supported currencies", "Zero-decimal" and "Three-decimal currencies".
const withoutDecimals = new Set(
  'BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF UGX VND VUV XAF XOF XPF'.split(' '),
);
const withThreeDecimals = new Set('BHD JOD KWD OMR TND'.split(' '));

/** Seconds since 1970. */
function stripeTime(created: unknown): string | undefined {
  const isTime = Number.isSafeInteger(created) && (created as number) >= 0;
  if (!isTime || (created as number) > 8.64e12) return undefined;
  return new Date((created as number) * 1_000).toISOString();
}

function stripeAmount(amount: unknown, currency: string): string | undefined {
  if (withoutDecimals.has(currency)) return hundredths((amount as number) * 100);
  // Stripe takes three-decimal amounts only in tens, so the last digit is 0.
  return hundredths(withThreeDecimals.has(currency) ? (amount as number) / 10 : amount);
}

/** Makes `19.99` of 1999, since the mapping reads decimal text. */
function hundredths(amount: unknown): string | undefined {
  if (!Number.isSafeInteger(amount) || (amount as number) < 0) return undefined;
  const digits = String(amount).padStart(3, '0');
  return `${digits.slice(0, -2)}.${digits.slice(-2)}`;
}

/** The exact sum of decimal texts with two digits. */
function sumOf(amounts: readonly unknown[]): string | undefined {
  const cents = amounts.map((amount) => {
    const match = /^(\d{1,12})(?:\.(\d{1,2}))?$/.exec(String(amount));
    return match === null
      ? Number.NaN
      : Number(match[1]) * 100 + Number((match[2] ?? '').padEnd(2, '0'));
  });
  return hundredths(cents.reduce((sum, one) => sum + one, 0));
}

function objectOf(value: unknown): Record<string, unknown> {
  return isObject(value) && !Array.isArray(value) ? value : {};
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
