/** engine/serde: an event in and out. */
import { json } from '../../engine/serde/json.ts';
import { msgpack } from '../../engine/serde/msgpack.ts';
import type { Serde } from '../../engine/serde/serde.ts';
import { type Piece, use } from './piece.ts';
import { many } from './record.ts';

const event = {
  id: 'e-1024',
  class: 'email_open',
  item: 'm-77',
  traits: { plan: 'premium', age: 41 },
};
type Event = typeof event;

export function serdePieces(): Piece[] {
  const all: readonly (readonly [string, Serde<Event>])[] = [
    ['msgpack', msgpack()],
    ['msgpack, shapes declared', msgpack([Object.keys(event), Object.keys(event.traits)])],
    ['json', json()],
    ['json, two fields only', json({ only: ['id', 'item'] })],
  ];
  return all.flatMap(([name, serde]) => {
    const bytes = Buffer.from(serde.encode(event));
    return [
      {
        name: `${name}: decode an event of ${bytes.byteLength} bytes`,
        per: many,
        run: () => {
          for (let i = 0; i < many; i++) use(serde.decode(bytes, 0, bytes.byteLength).id.length);
        },
      },
      {
        name: `${name}: encode it`,
        per: many,
        run: () => {
          for (let i = 0; i < many; i++) use(serde.encode(event).byteLength);
        },
      },
    ];
  });
}
