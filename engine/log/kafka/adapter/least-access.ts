/**
 * The minimal access-control list of an application on Kafka: the rights that its principal needs,
 * and nothing more. Kafka derives Describe from Read and from Write.
 */

import type { TopicRole } from '../../log.ts';

export interface Access {
  readonly operation: 'Read' | 'Write' | 'Create' | 'Delete';
  readonly resource: 'topic' | 'group' | 'transactional-id';
  readonly name: string;
  /** 'prefixed': every name with this prefix. */
  readonly pattern: 'literal' | 'prefixed';
  readonly why: string;
}

export interface AccessOptions {
  readonly application: string;
  readonly topics: readonly {
    readonly name: string;
    readonly uses: readonly ('read' | 'write')[];
    readonly why: string;
    /** True if the topic exists, so Millrace needs no right to create it. */
    readonly exists: boolean;
    readonly role?: TopicRole;
  }[];
}

export function leastAccess({ application, topics }: AccessOptions): Access[] {
  const ofTopics = topics.flatMap(({ name, uses, why, exists, role }) => {
    const literal = { resource: 'topic', name, pattern: 'literal' } as const;
    const list: Access[] = [];
    if (uses.includes('read')) list.push({ operation: 'Read', ...literal, why });
    if (uses.includes('write')) list.push({ operation: 'Write', ...literal, why });
    if (role === 'repartition') {
      list.push({ operation: 'Delete', ...literal, why: 'delete the records that were consumed' });
    }
    if (!exists) list.push({ operation: 'Create', ...literal, why: 'it is not there yet' });
    return list;
  });
  return [
    ...ofTopics,
    {
      operation: 'Read',
      resource: 'group',
      name: application,
      pattern: 'literal',
      why: 'share the partitions, commit offsets',
    },
    {
      operation: 'Write',
      resource: 'transactional-id',
      // Every process and every source has its own transactional id.
      name: `${application}-`,
      pattern: 'prefixed',
      why: 'commit results, state and offsets together',
    },
  ];
}
