/** Dictionaries whose names come from data: `constructor` and `__proto__` are ordinary names. */

/** The list of a name, added when it is missing. */
export function listOf<V>(lists: Map<string, V[]>, name: string): V[] {
  const known = lists.get(name);
  if (known !== undefined) return known;
  const made: V[] = [];
  lists.set(name, made);
  return made;
}

/** The same entries without inherited properties, so that an absent name has no value. */
export function withoutInherited<V>(entries: Readonly<Record<string, V>>): Record<string, V> {
  return Object.assign(Object.create(null), entries);
}

/** Sets an own property, whatever its name. */
export function setOwn<V>(object: Record<string, V>, name: string, value: V): void {
  if (name !== '__proto__') object[name] = value;
  else {
    const own = { value, enumerable: true, configurable: true, writable: true };
    Object.defineProperty(object, name, own);
  }
}

/** The value of an own property, or undefined. */
export function ownOf<V>(object: Readonly<Record<string, V>> | undefined, name: string) {
  return object !== undefined && Object.hasOwn(object, name) ? object[name] : undefined;
}
