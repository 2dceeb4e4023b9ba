/**
 * Asks for packages on a machine that has none of them: they are hidden from this process. Prints
 * what each loader says.
 */
import Module, { register } from 'node:module';

const hidden = ['rocksdb-native', 'node-rdkafka', 'node-sqlite3-wasm'];
const missing = (name: string) => `throw Object.assign(new Error('no ${name}'), {
  code: 'ERR_MODULE_NOT_FOUND' })`;

/** By `require`, which this function of Node's serves. */
interface Resolving {
  _resolveFilename(name: string, ...more: unknown[]): string;
}
const loader = Module as unknown as Resolving;
const resolveFilename = loader._resolveFilename;
loader._resolveFilename = function resolve(name, ...more) {
  if (hidden.includes(name)) throw new Error(`Cannot find module '${name}'`);
  return resolveFilename.call(this, name, ...more);
};
/** By `import`. */
const hook = `export async function resolve(name, context, next) {
  ${hidden.map((name) => `if (name === '${name}') ${missing(name)};`).join('\n  ')}
  return next(name, context);
}`;
register(`data:text/javascript,${encodeURIComponent(hook)}`);

async function codeOf(load: () => unknown): Promise<unknown> {
  try {
    await load();
    return 'loaded';
  } catch (error) {
    return (error as { code?: unknown }).code ?? String(error);
  }
}

const { loadRocksDb } = await import('../../engine/storage/rocksdb.ts');
const { loadRdkafka } = await import('../../engine/log/kafka/rdkafka/rdkafka.ts');
const { Database } = await import('../../topologies/verify/database.ts');
console.log(
  JSON.stringify({
    'rocksdb-native': await codeOf(loadRocksDb),
    'node-rdkafka': await codeOf(loadRdkafka),
    'node-sqlite3-wasm': await codeOf(() => Database.open()),
  }),
);
