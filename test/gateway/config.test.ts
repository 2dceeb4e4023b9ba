/** The gateway's configuration: which sections a file may have. */
import { expect, test } from 'vitest';
import { checkGateway } from '../../topologies/gateway/gateway-config.ts';

test('one file may also name what is pulled from outside', () => {
  const both = { limits: { depth: 8 }, sources: { crm: { kind: 'folder' } } };
  expect(checkGateway(both)).toBe(both);
});

test('another section is refused by its name', () => {
  expect(() => checkGateway({ source: {} })).toThrow(/source/);
});
