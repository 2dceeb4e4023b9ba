/**
 * Names of Millrace's own topics, all with the application's name as prefix, and the rules of topic
 * names.
 */

/** Kafka's limit of a topic name. */
const longest = 249;

/** Why a topic name cannot be, or contain, this name; undefined if it can. */
export function nameProblem(name: unknown): string | undefined {
  if (typeof name !== 'string' || name === '') return 'is no text, or empty: give it a name';
  if (!/^[A-Za-z0-9._-]+$/.test(name)) {
    return "has other characters than letters, digits, '.', '_' and '-': choose another";
  }
  if (name === '.' || name === '..') return 'is no name of a topic: choose another';
  if (name.length <= longest) return undefined;
  return `has ${name.length} letters, a topic has ${longest} at most: choose a shorter one`;
}

/**
 * Kafka treats topics whose names differ only in '.' and '_' as colliding, because of its metric
 * names.
 */
export function collisionName(name: string): string {
  return name.replaceAll('.', '_');
}

export function repartitionTopic(application: string, step: string): string {
  return `${application}-${step}-repartition`;
}

export function changelogTopic(application: string, store: string): string {
  return `${application}-${store}-changelog`;
}

export function deadLetterTopic(application: string): string {
  return `${application}-dead-letters`;
}

export function cursorTopic(application: string): string {
  return `${application}-cursors`;
}

/** Source times, for a log that loses offset metadata. */
export function timesTopic(application: string): string {
  return `${application}-times`;
}
