/** State of another application, task or time is not taken, and is no damage. */
import { expect, test } from 'vitest';
import { MemoryBackends } from '../../engine/storage/memory-backend.ts';
import { NumberedBackend } from '../../engine/storage/numbered-backend.ts';

test.each(['other 0_0', 'app 0_1', 'app 0_0 1'])(
  "the state of 'app 0_0' is not that of '%s', and says so",
  async (wanted) => {
    const backends = new MemoryBackends();
    await (await NumberedBackend.open(backends, 'state', 'app 0_0')).close();
    await (await NumberedBackend.open(backends, 'state', 'app 0_0')).close();
    await expect(NumberedBackend.open(backends, 'state', wanted)).rejects.toMatchObject({
      code: 'STATE_FOREIGN',
      context: { directory: 'state', found: 'app 0_0', wanted },
    });
  },
);
