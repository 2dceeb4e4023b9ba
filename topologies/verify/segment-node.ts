/** A checked segment, in the form that the SQL reads. */

/** A checked condition, typed as far as the SQL reads it. */
export type Node = Readonly<Record<string, unknown>> & { readonly kind: string };

export interface CheckedSegment {
  readonly id: string;
  readonly when: unknown;
  readonly purpose?: string;
  readonly cooldown?: number;
}

/** The condition with what the header adds. */
export function wholeOf({ when, purpose, cooldown }: CheckedSegment): Node {
  const own = when as Node;
  const permitted: Node =
    purpose === undefined
      ? own
      : { kind: 'and', children: [own, { kind: 'consent', purpose, is: true }] };
  return cooldown === undefined ? permitted : { kind: 'cooldown', child: permitted, for: cooldown };
}

export function childrenOf(node: Node): readonly Node[] {
  const { children, child, enter, exit } = node as unknown as Record<string, Node | undefined>;
  if (children !== undefined) return children as unknown as readonly Node[];
  return [child, enter, exit].filter((one): one is Node => one !== undefined);
}
