/**
 * Checks the bytes of an Avro value before it is decoded. The decoder trusts the lengths of lists,
 * so a few bytes could keep it busy for minutes and fill the memory. Each item takes at least one
 * byte, so a list cannot have more items than remaining bytes.
 */
import type { Type } from 'avsc';

/** Undeclared members of avsc's types. */
interface Parts {
  readonly typeName: string;
  readonly itemsType?: Type;
  readonly valuesType?: Type;
  readonly types?: readonly Type[];
  readonly fields?: readonly { readonly name: string; readonly type: Type }[];
  readonly size?: number;
  readonly underlyingType?: Type;
}

const depthMax = 64;

/** Why values of a schema cannot be bounded: lists of zero-length items. */
export function schemaProblem(type: Type): string | undefined {
  return problemIn(type, new Set());
}

function problemIn(type: Type, seen: Set<Type>): string | undefined {
  if (seen.has(type)) return undefined;
  seen.add(type);
  const { typeName, itemsType, types, fields = [] } = partsOf(type);
  const items = typeName === 'array' ? itemsType : undefined;
  if (items !== undefined && isEmpty(items, new Set())) {
    return 'has a list whose items take no bytes: their count would be believed';
  }
  const { valuesType } = partsOf(type);
  const inner = [itemsType, valuesType, ...(types ?? []), ...fields.map((field) => field.type)];
  for (const one of inner) {
    const problem = one === undefined ? undefined : problemIn(one, seen);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** A value may take no byte at all. */
function isEmpty(type: Type, seen: Set<Type>): boolean {
  if (seen.has(type)) return true;
  seen.add(type);
  const { typeName, fields = [], size } = partsOf(type);
  if (typeName === 'null') return true;
  if (typeName === 'fixed') return size === 0;
  if (typeName !== 'record') return false;
  return fields.every((field) => isEmpty(field.type, new Set(seen)));
}

function partsOf(type: Type): Parts {
  const parts = type as unknown as Parts;
  // A logical type is encoded as its underlying type.
  return parts.underlyingType === undefined ? parts : partsOf(parts.underlyingType);
}

class Walk {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.byteLength - this.#at;
  }

  skip(count: number): void {
    if (!(count >= 0) || count > this.left) throw new TypeError('the Avro value is cut off');
    this.#at += count;
  }

  /** A zigzag number; a value beyond 2^53 is not a valid count. */
  long(): number {
    let value = 0;
    let factor = 1;
    for (let i = 0; ; i++) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined) throw new TypeError('the Avro value is cut off');
      if (i === 10) throw new TypeError('the Avro value has a number of more than ten bytes');
      this.#at++;
      value += (byte & 127) * factor;
      if (byte < 128) break;
      factor *= 128;
    }
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  value(type: Type, depth: number): void {
    if (depth > depthMax) throw new TypeError(`the Avro value is nested deeper than ${depthMax}`);
    const parts = partsOf(type);
    const { typeName } = parts;
    if (typeName === 'null') return;
    if (typeName === 'boolean') this.skip(1);
    else if (typeName === 'float') this.skip(4);
    else if (typeName === 'double') this.skip(8);
    else if (typeName === 'int' || typeName === 'long' || typeName === 'enum') this.long();
    else if (typeName === 'bytes' || typeName === 'string') this.skip(this.long());
    else if (typeName === 'fixed') this.skip(parts.size ?? 0);
    else if (typeName === 'array')
      this.#blocks(() => this.value(parts.itemsType as Type, depth + 1));
    else if (typeName === 'map') {
      this.#blocks(() => {
        this.skip(this.long());
        this.value(parts.valuesType as Type, depth + 1);
      });
    } else if (typeName.startsWith('union')) {
      const branch = parts.types?.[this.long()];
      if (branch === undefined)
        throw new TypeError('the Avro value has a branch that is not there');
      this.value(branch, depth + 1);
    } else if (typeName === 'record' || typeName === 'error') {
      for (const field of parts.fields ?? []) this.value(field.type, depth + 1);
    } else throw new TypeError(`Avro has no type ${typeName}`);
  }

  #blocks(item: () => void): void {
    for (;;) {
      let count = this.long();
      if (count === 0) return;
      if (count < 0) {
        count = -count;
        // Size of the block, not needed because the whole block is read.
        this.long();
      }
      if (count > this.left)
        throw new TypeError('the Avro value tells more items than it has bytes');
      for (let i = 0; i < count; i++) item();
    }
  }
}

/** @throws TypeError if the bytes are not exactly one value of the type */
export function checkAvro(type: Type, bytes: Buffer): void {
  const walk = new Walk(bytes);
  walk.value(type, 0);
  if (walk.left > 0) throw new TypeError(`the Avro value ends ${walk.left} bytes early`);
}
