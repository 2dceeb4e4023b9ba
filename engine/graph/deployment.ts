/**
 * What of an application is deployed, store by store, and what becomes of it under another
 * topology. It is kept beside the changelogs. Only what owns bytes counts: a filter or a map may
 * come and go.
 */
import { formatChange } from '../serde/versioned.ts';
import type { Topology } from './graph.ts';
import { isRepartition, subTopologies } from './sub-topology.ts';

/** Of a store with a changelog, or of a repartition topic. */
export interface Deployed {
  readonly type: 'store' | 'repartition';
  /** The step that owns it, and how it is set. */
  readonly kind: string;
  readonly settings: unknown;
  /** How keys and values, or cells, are written. */
  readonly key: string;
  readonly format: string;
  readonly partitions: number;
  readonly subTopology: number;
  /** True since it was left by a topology that has it no more: it has missed records since. */
  readonly orphaned?: true;
}

/** By name. */
export type Deployment = Readonly<Record<string, Deployed>>;

/**
 * keep: goes on as it is. migrate: goes on, older values are brought up when they are read.
 * rebuild: goes on, its local copy is made anew from the changelog. new: begins empty. orphan: is
 * left behind; its changelog stays. refuse: cannot go on.
 */
export type Verdict = 'keep' | 'migrate' | 'rebuild' | 'new' | 'orphan' | 'refuse';

export interface Change {
  readonly name: string;
  readonly type: Deployed['type'];
  readonly verdict: Verdict;
  readonly why: string;
}

/** @param partitions of what belongs to each sub-topology, by its id */
export function deploymentOf(topology: Topology, partitions: readonly number[]): Deployment {
  // By name: none is there but those that are put in.
  const found: Record<string, Deployed> = Object.create(null);
  for (const part of subTopologies(topology)) {
    const width = partitions[part.id] ?? 1;
    for (const id of part.nodes) {
      const node = topology.nodes[id];
      if (node?.type !== 'step') continue;
      const { kind, detail } = node.step;
      const settings: unknown = JSON.parse(JSON.stringify(detail ?? {}));
      const common = { kind, settings, subTopology: part.id } as const;
      for (const { name, key, format } of node.step.stores) {
        const type = 'store' as const;
        found[name] ??= { ...common, type, key: key.format, format, partitions: width };
      }
    }
    for (const source of part.sources) {
      const node = topology.nodes[source.node];
      if (node === undefined || !isRepartition(node)) continue;
      const { keyDecoder, valueDecoder } = source.topic;
      found[node.step.name] = {
        type: 'repartition',
        kind: node.step.kind,
        settings: {},
        key: keyDecoder.format,
        format: valueDecoder.format,
        partitions: width,
        subTopology: part.id,
      };
    }
  }
  return found;
}

/** What becomes of everything deployed, and of what is new; by name. */
export function compareDeployments(deployed: Deployment, now: Deployment): readonly Change[] {
  const names = [...new Set([...Object.keys(deployed), ...Object.keys(now)])].sort();
  return names.flatMap((name) => {
    const [before, after] = [deployed, now].map((all) =>
      Object.hasOwn(all, name) ? all[name] : undefined,
    );
    const type = (after ?? before)?.type ?? 'store';
    if (before === undefined) {
      const why = 'begins empty, with the records that come from now on';
      return [{ name, type, verdict: 'new' as const, why }];
    }
    if (after !== undefined) return [{ name, type, ...changeOf(before, after) }];
    // Left already, and accepted then; or the records of a repartition topic, read to the end.
    if (before.orphaned === true || type === 'repartition') return [];
    const why = 'this topology has it no more: renamed or removed; its changelog stays';
    return [{ name, type, verdict: 'orphan' as const, why }];
  });
}

function changeOf(before: Deployed, after: Deployed): { verdict: Verdict; why: string } {
  const refuse = (why: string) => ({ verdict: 'refuse' as const, why });
  if (before.orphaned === true) {
    return refuse('it was left before and has missed records since: give the step another name');
  }
  if (before.type !== after.type || before.kind !== after.kind) {
    return refuse(`it was made by ${before.kind}, now by ${after.kind}`);
  }
  if (before.key !== after.key) {
    return refuse(`its keys were written as ${before.key}, now as ${after.key}`);
  }
  if (before.partitions !== after.partitions) {
    return refuse(`it has ${before.partitions} partitions, ${after.partitions} are asked for`);
  }
  const format = formatChange(before.format, after.format);
  if (format === 'other') {
    return refuse(
      `its values were written as ${before.format}, now as ${after.format}: versioned() with upcasters reads older ones`,
    );
  }
  const [old, set] = [JSON.stringify(before.settings), JSON.stringify(after.settings)];
  if (old !== set) return refuse(`it was made with ${old}, now with ${set}`);
  if (format === 'upcast') {
    const why = `from ${before.format} to ${after.format}, each value when it is read`;
    return { verdict: 'migrate', why };
  }
  if (before.subTopology !== after.subTopology) {
    const why = `now in sub-topology ${after.subTopology}: its local copy is made from the changelog`;
    return { verdict: 'rebuild', why };
  }
  return { verdict: 'keep', why: '' };
}

/** What is deployed once the new topology runs: what was left is remembered as such. */
export function nextDeployment(deployed: Deployment, now: Deployment): Deployment {
  const left = Object.entries(deployed).flatMap(([name, before]) =>
    !Object.hasOwn(now, name) && before.type === 'store'
      ? [[name, { ...before, orphaned: true }]]
      : [],
  );
  return { ...now, ...Object.fromEntries(left) };
}
