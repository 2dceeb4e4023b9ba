/**
 * The deployment of an application, store by store, and what happens to it under another topology.
 * It is stored beside the changelogs. Only steps with state count: a filter or a map can be added
 * and removed.
 */
import { formatChange } from '../serde/versioned.ts';
import type { Topology } from './graph.ts';
import { isRepartition, subTopologies } from './sub-topology.ts';

/** A deployed store with a changelog, or a repartition topic. */
export interface Deployed {
  readonly type: 'store' | 'repartition';
  /** The step that owns it, and its settings. */
  readonly kind: string;
  readonly settings: unknown;
  /** Formats of keys and values, or of cells. */
  readonly key: string;
  readonly format: string;
  readonly partitions: number;
  readonly subTopology: number;
  /** True if a topology without it has run since: it has missed records. */
  readonly orphaned?: true;
}

/** By name. */
export type Deployment = Readonly<Record<string, Deployed>>;

/**
 * keep: continues unchanged. migrate: continues; older values are upgraded when they are read.
 * rebuild: continues; its local copy is rebuilt from the changelog. new: starts empty. orphan: is
 * left behind; its changelog stays. refuse: cannot continue.
 */
export type Verdict = 'keep' | 'migrate' | 'rebuild' | 'new' | 'orphan' | 'refuse';

export interface Change {
  readonly name: string;
  readonly type: Deployed['type'];
  readonly verdict: Verdict;
  readonly why: string;
}

/** @param partitions number of partitions of each sub-topology, by its id */
export function deploymentOf(topology: Topology, partitions: readonly number[]): Deployment {
  // Without a prototype, so that only inserted names exist.
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

/** The verdict on each deployed and each new store, by name. */
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
    // Already left behind and accepted; or a repartition topic, which was read to its end.
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

/** The deployment once the new topology runs; stores left behind are kept as orphans. */
export function nextDeployment(deployed: Deployment, now: Deployment): Deployment {
  const left = Object.entries(deployed).flatMap(([name, before]) =>
    !Object.hasOwn(now, name) && before.type === 'store'
      ? [[name, { ...before, orphaned: true }]]
      : [],
  );
  return { ...now, ...Object.fromEntries(left) };
}
