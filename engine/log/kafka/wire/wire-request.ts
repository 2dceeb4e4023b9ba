/** A request of Kafka's protocol: how its body is written, and its answer read. */
import type { WireReader, WireWriter } from './wire-format.ts';

/** A request of one version: its body, and what its response says. */
export interface Request<Answer> {
  readonly api: number;
  readonly version: number;
  /** Whose header has tagged fields, and its response's too. */
  readonly isFlexible?: true;
  write(body: WireWriter): void;
  read(body: WireReader): Answer;
}

/** By topic, in the order in which topics come first: requests name each once. */
export function byTopic<T extends { readonly topic: string }>(all: readonly T[]): Map<string, T[]> {
  const topics = new Map<string, T[]>();
  for (const one of all) {
    const list = topics.get(one.topic);
    if (list === undefined) topics.set(one.topic, [one]);
    else list.push(one);
  }
  return topics;
}
