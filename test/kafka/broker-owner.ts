/** Starts a broker, names it, and waits to be killed. */
import { startBroker } from './broker.ts';

const { pid, directory } = await startBroker();
process.stderr.write(`broker ${pid} ${directory}\n`);
setInterval(() => {}, 60_000);
