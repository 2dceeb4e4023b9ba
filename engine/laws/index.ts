/** `millrace/laws`: the laws that each adapter of a port must obey, for any test runner. */
export { type BackendUnderTest, backendLaws, type OpenedBackends } from './backend-laws.ts';
export { type ConnectorUnderTest, connectorLaws } from './connector-laws.ts';
export type { Law } from './law.ts';
export { append, keyedRows, type Row, rowsOf } from './law-records.ts';
export { type LogUnderTest, logLaws, type OpenedLog } from './log-laws.ts';
export { memberLaws } from './member-laws.ts';
