import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { logLaws, memberLaws } from 'millrace/laws';
import logs from './sqlite-log.js';

const open = async () => {
  const directory = await mkdtemp(join(tmpdir(), 'sqlite-log-'));
  let log = await logs.open({ application: 'laws', directory });
  return {
    log,
    reopen: async () => {
      await log.close();
      log = await logs.open({ application: 'laws', directory });
      return log;
    },
    dispose: async () => {
      await log.close();
      await rm(directory, { recursive: true });
    },
  };
};

for (const { name, check } of [...logLaws({ open }), ...memberLaws({ open })]) test(name, check);
