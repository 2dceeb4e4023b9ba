/** A request of Kafka's protocol: how to write its body and read its response. */
import type { WireReader, WireWriter } from './wire-format.ts';

/** A request in one version, with its body and its response. */
export interface Request<Answer> {
  readonly api: number;
  readonly version: number;
  /** True if the headers of request and response have tagged fields. */
  readonly isFlexible?: true;
  write(body: WireWriter): void;
  read(body: WireReader): Answer;
}

/** Groups by topic, in the order of first appearance, because requests name each topic once. */
export function byTopic<T extends { readonly topic: string }>(all: readonly T[]): Map<string, T[]> {
  const topics = new Map<string, T[]>();
  for (const one of all) {
    const list = topics.get(one.topic);
    if (list === undefined) topics.set(one.topic, [one]);
    else list.push(one);
  }
  return topics;
}
