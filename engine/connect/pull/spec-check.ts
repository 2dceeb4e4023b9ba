/** Checks of a configuration that list every mistake with its path, not only the first. */

export interface Mistake {
  /** e.g. sources.orders.paging.type */
  readonly path: string;
  readonly problem: string;
}

/** Checks a value and reports its mistakes. */
export type Check = (value: unknown, path: string, tell: Tell) => void;
export type Tell = (path: string, problem: string) => void;

/** An optional field. */
export interface Optional {
  readonly optional: Check;
}

export type Fields = Readonly<Record<string, Check | Optional>>;

export const maybe = (optional: Check): Optional => ({ optional });

export function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** An object of these fields, and no others. */
export function fields(of: Fields): Check {
  return (value, path, tell) => {
    if (!isPlain(value)) return tell(path, 'must be an object');
    for (const name of Object.keys(value)) {
      if (Object.hasOwn(of, name)) continue;
      tell(`${path}.${name}`, `is not known; known are ${Object.keys(of).join(', ')}`);
    }
    for (const [name, check] of Object.entries(of)) {
      const found = value[name];
      const isOptional = typeof check !== 'function';
      if (found !== undefined)
        (isOptional ? check.optional : check)(found, `${path}.${name}`, tell);
      else if (!isOptional) tell(`${path}.${name}`, 'is missing');
    }
  };
}

/** An object whose field `tag` determines its other fields. */
export function variants(tag: string, of: Readonly<Record<string, Fields>>): Check {
  return (value, path, tell) => {
    if (!isPlain(value)) return tell(path, 'must be an object');
    const name = value[tag];
    const found = typeof name === 'string' && Object.hasOwn(of, name) ? of[name] : undefined;
    const names = Object.keys(of).join(', ');
    if (found === undefined) {
      const problem = name === undefined ? 'is missing' : 'is not known';
      return tell(`${path}.${tag}`, `${problem}; known are ${names}`);
    }
    fields({ [tag]: () => {}, ...found })(value, path, tell);
  };
}

export const text: Check = (value, path, tell) => {
  if (typeof value !== 'string' || value === '') tell(path, 'must be a text that is not empty');
};

export function whole(least: number, most: number): Check {
  return (value, path, tell) => {
    const is =
      Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most;
    if (!is) tell(path, `must be a whole number from ${least} to ${most}`);
  };
}

export function numberFrom(least: number, most: number): Check {
  return (value, path, tell) => {
    const is = typeof value === 'number' && value >= least && value <= most;
    if (!is) tell(path, `must be a number from ${least} to ${most}`);
  };
}

export function oneOf(...names: readonly string[]): Check {
  return (value, path, tell) => {
    if (!names.includes(value as string)) tell(path, `must be one of ${names.join(', ')}`);
  };
}

export const flag: Check = (value, path, tell) => {
  if (typeof value !== 'boolean') tell(path, 'must be true or false');
};

export function list(of: Check, least = 1): Check {
  return (value, path, tell) => {
    if (!Array.isArray(value)) return tell(path, 'must be a list');
    if (value.length < least) tell(path, `must have at least ${least} member`);
    value.forEach((one, i) => {
      of(one, `${path}.${i}`, tell);
    });
  };
}

/** One value, or a list of them. */
export function oneOrList(of: Check): Check {
  const many = list(of);
  return (value, path, tell) => (Array.isArray(value) ? many : of)(value, path, tell);
}

export function record(of: (name: string) => Check): Check {
  return (value, path, tell) => {
    if (!isPlain(value)) return tell(path, 'must be an object');
    for (const [name, one] of Object.entries(value)) of(name)(one, `${path}.${name}`, tell);
  };
}

/** Both checks. */
export function all(...checks: readonly Check[]): Check {
  return (value, path, tell) => {
    for (const check of checks) check(value, path, tell);
  };
}
