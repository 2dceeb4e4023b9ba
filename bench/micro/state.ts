/** engine/state: the table of keys, and the index of what is due. */
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';
import { DueIndex, type DueOwner } from '../../engine/state/due-index.ts';
import { addKeys, KeyTable } from '../../engine/state/key-table.ts';
import { type Piece, use } from './piece.ts';
import { batchOfMany, keys, many } from './record.ts';

export function statePieces(): Piece[] {
  const random = new SeededRandom(1);
  const ids = keys.map((key) => key.toString('latin1'));
  const index = new DueIndex<DueOwner>();
  const owners = ids.map((keyText) => ({ keyText, dueSlot: -1 }));
  let now = 0;
  const tables = [new KeyTable()];
  const batch = batchOfMany(0, 10);
  const rows = [new Int32Array(many)];
  return [
    {
      name: 'key table: find the keys of a batch',
      per: many,
      run: () => {
        addKeys(tables, batch, 0, batch.count, rows);
        use(rows[0]?.[0] ?? 0);
      },
    },
    {
      name: 'due index: set a key, ask for the next',
      per: many,
      run: () => {
        for (const owner of owners) {
          now++;
          index.set(owner, now + randomBelow(random, 10_000));
          use(index.nextDue() & 1);
        }
      },
    },
  ];
}
