/**
 * Dictionaries whose names come with the data: `constructor` and `__proto__` are names like any
 * other.
 */

/** Adds to the list of a name, or takes out of it: what is made anew each time is not shared. */
export function listOf<V>(lists: Map<string, V[]>, name: string): V[] {
  const known = lists.get(name);
  if (known !== undefined) return known;
  const made: V[] = [];
  lists.set(name, made);
  return made;
}

/** The same entries without what every object inherits: a name that is not there has no value. */
export function withoutInherited<V>(entries: Readonly<Record<string, V>>): Record<string, V> {
  return Object.assign(Object.create(null), entries);
}

/** Sets a property of its own, whatever its name. */
export function setOwn<V>(object: Record<string, V>, name: string, value: V): void {
  if (name !== '__proto__') object[name] = value;
  else {
    const own = { value, enumerable: true, configurable: true, writable: true };
    Object.defineProperty(object, name, own);
  }
}

/** The property of its own, or undefined. */
export function ownOf<V>(object: Readonly<Record<string, V>> | undefined, name: string) {
  return object !== undefined && Object.hasOwn(object, name) ? object[name] : undefined;
}
