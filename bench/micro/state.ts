/** engine/state: the index of what is due. */
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';
import { DueIndex } from '../../engine/state/due-index.ts';
import { type Piece, use } from './piece.ts';
import { keys, many } from './record.ts';

export function statePieces(): Piece[] {
  const random = new SeededRandom(1);
  const ids = keys.map((key) => key.toString('latin1'));
  const index = new DueIndex();
  const slots = ids.map(() => -1);
  let now = 0;
  return [
    {
      name: 'due index: set a key, ask for the next',
      per: many,
      run: () => {
        ids.forEach((id, i) => {
          now++;
          slots[i] = index.set(id, now + randomBelow(random, 10_000), slots[i] as number);
          use(index.nextDue() & 1);
        });
      },
    },
  ];
}
