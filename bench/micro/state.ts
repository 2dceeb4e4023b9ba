/** engine/state: the index of what is due. */
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';
import { DueIndex } from '../../engine/state/due-index.ts';
import { type Piece, use } from './piece.ts';
import { keys, many } from './record.ts';

export function statePieces(): Piece[] {
  const random = new SeededRandom(1);
  const ids = keys.map((key) => key.toString('latin1'));
  const index = new DueIndex();
  let now = 0;
  return [
    {
      name: 'due index: set a key, ask for the next',
      per: many,
      run: () => {
        for (const id of ids) {
          now++;
          index.set(id, now + randomBelow(random, 10_000));
          use(index.nextDue() & 1);
        }
      },
    },
  ];
}
