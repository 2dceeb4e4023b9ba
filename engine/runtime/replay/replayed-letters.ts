/**
 * The set of replayed dead letters: one bit per letter, in cursors of a few thousand letters,
 * committed with the records that a replay writes. So a letter is replayed once, even after a
 * crash.
 */

const prefix = 'replayed ';
/** Letters per cursor; 1 KiB of bits. */
const lettersPerCursor = 8_192;
const bitsPerByte = 8;

export class ReplayedLetters {
  readonly #bits = new Map<string, Buffer>();
  readonly #changed = new Set<string>();

  /** @param cursors all cursors of the application */
  constructor(cursors: ReadonlyMap<string, unknown>) {
    for (const [name, value] of cursors) {
      if (!name.startsWith(prefix)) continue;
      this.#bits.set(name, Buffer.from((value as { bits: string }).bits, 'base64'));
    }
  }

  has(partition: number, offset: number): boolean {
    const { name, byte, mask } = placeOf(partition, offset);
    return ((this.#bits.get(name)?.[byte] ?? 0) & mask) !== 0;
  }

  add(partition: number, offset: number): void {
    const { name, byte, mask } = placeOf(partition, offset);
    const bits = this.#bits.get(name) ?? Buffer.alloc(lettersPerCursor / bitsPerByte);
    bits[byte] = (bits[byte] as number) | mask;
    this.#bits.set(name, bits);
    this.#changed.add(name);
  }

  /** The cursors that have changed since the last call. */
  take(): Map<string, unknown> {
    const taken = [...this.#changed].map(
      (name) => [name, { bits: (this.#bits.get(name) as Buffer).toString('base64') }] as const,
    );
    this.#changed.clear();
    return new Map(taken);
  }
}

function placeOf(partition: number, offset: number) {
  const bit = offset % lettersPerCursor;
  return {
    name: `${prefix}${partition} ${Math.floor(offset / lettersPerCursor)}`,
    byte: Math.floor(bit / bitsPerByte),
    mask: 1 << (bit % bitsPerByte),
  };
}
