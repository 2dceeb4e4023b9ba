/**
 * What must hold of a topology before it runs:
 * 1. names of the topology, of stores and of repartition topics fit a topic name;
 * 2. no two stores, and no two repartition topics, have the same name;
 * 3. it reads at least one topic, and reads none twice;
 * 4. a topic it both reads and writes has one format.
 * All problems are reported at once, each with the line that made it and the remedy.
 */
import { MillraceError } from '../base/errors.ts';
import type { Topology } from './graph.ts';
import type { GraphNode } from './node.ts';

const legalName = /^[A-Za-z0-9._-]{1,200}$/;

export function validate(topology: Topology): void {
  const problems = [
    ...nameProblems(topology),
    ...duplicateProblems(topology),
    ...sourceProblems(topology),
  ];
  if (problems.length === 0) return;
  throw new MillraceError('TOPOLOGY_INVALID', {
    topology: topology.name,
    problems: problems.map((problem) => `  ${problem}`).join('\n'),
  });
}

function ownedNames(node: GraphNode): string[] {
  if (node.type !== 'step') return [];
  const names = node.step.stores.map((store) => store.name);
  return node.step.repartition === undefined ? names : [...names, node.step.name];
}

function nameProblems(topology: Topology): string[] {
  const problems: string[] = [];
  const check = (name: string, what: string, callSite: string) => {
    if (legalName.test(name)) return;
    problems.push(
      `${callSite}: ${what} name ${JSON.stringify(name)} has other characters than letters, digits, '.', '_' and '-': choose another`,
    );
  };
  check(topology.name, 'topology', 'topology()');
  for (const node of topology.nodes) {
    for (const name of ownedNames(node)) check(name, 'step', node.callSite);
    if (node.type !== 'step') check(node.topic.name, 'topic', node.callSite);
  }
  return problems;
}

function duplicateProblems(topology: Topology): string[] {
  const first = new Map<string, string>();
  const problems: string[] = [];
  for (const node of topology.nodes) {
    for (const name of new Set(ownedNames(node))) {
      const other = first.get(name);
      if (other === undefined) first.set(name, node.callSite);
      else problems.push(`${node.callSite}: the name '${name}' is taken at ${other}: rename one`);
    }
  }
  return problems;
}

function sourceProblems(topology: Topology): string[] {
  const problems: string[] = [];
  const read = new Map<string, string>();
  for (const node of topology.nodes) {
    if (node.type !== 'source') continue;
    const other = read.get(node.topic.name);
    if (other !== undefined) {
      problems.push(
        `${node.callSite}: topic '${node.topic.name}' is read at ${other} already: use that stream twice`,
      );
    }
    read.set(node.topic.name, node.callSite);
  }
  if (read.size === 0) problems.push('it reads no topic: begin with t.stream(topic)');
  for (const node of topology.nodes) {
    if (node.type !== 'sink') continue;
    const source = topology.nodes.find(
      (n) => n.type === 'source' && n.topic.name === node.topic.name,
    );
    if (
      source?.type === 'source' &&
      source.topic.valueDecoder.format !== node.topic.valueEncoder.format
    ) {
      problems.push(
        `${node.callSite}: topic '${node.topic.name}' is written as ${node.topic.valueEncoder.format} and read as ${source.topic.valueDecoder.format}: use one topic value`,
      );
    }
  }
  return problems;
}
