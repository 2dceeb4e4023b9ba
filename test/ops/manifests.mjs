/** What no schema tells of the manifests: the ServiceMonitor, and that all parts mean the same pods. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { ServiceMonitor } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor';
import { parseAllDocuments } from 'yaml';

for (const file of process.argv.slice(2)) {
  const all = parseAllDocuments(readFileSync(file, 'utf8')).map((one) => one.toJS());
  const of = (kind) =>
    all.find((one) => one.kind === kind) ?? assert.fail(`${file} has no ${kind}`);
  new ServiceMonitor(of('ServiceMonitor')).validate();
  const wrong = structuredClone(of('ServiceMonitor'));
  wrong.spec.endpoints[0].interval = 15;
  assert.throws(() => new ServiceMonitor(wrong).validate(), 'the check sees a wrong type');

  const set = of('StatefulSet').spec;
  const { labels } = set.template.metadata;
  const selectors = {
    StatefulSet: set.selector.matchLabels,
    Service: of('Service').spec.selector,
    PodDisruptionBudget: of('PodDisruptionBudget').spec.selector?.matchLabels,
    NetworkPolicy: of('NetworkPolicy').spec.podSelector.matchLabels,
    ...Object.fromEntries(
      set.template.spec.topologySpreadConstraints.map((one) => [
        one.topologyKey,
        one.labelSelector.matchLabels,
      ]),
    ),
  };
  for (const [who, selector = {}] of Object.entries(selectors)) {
    assert.notEqual(Object.keys(selector).length, 0, `${file}: ${who} selects all pods`);
    for (const [name, value] of Object.entries(selector)) {
      assert.equal(labels[name], value, `${file}: ${who} selects other pods`);
    }
  }
  const monitored = of('ServiceMonitor').spec.selector.matchLabels;
  for (const [name, value] of Object.entries(monitored)) {
    assert.equal(of('Service').metadata.labels[name], value, `${file}: ServiceMonitor`);
  }
  const [container] = set.template.spec.containers;
  const volumes = [
    ...set.template.spec.volumes,
    ...set.volumeClaimTemplates.map((one) => one.metadata),
  ];
  for (const { name } of container.volumeMounts) {
    assert.ok(
      volumes.some((one) => one.name === name),
      `${file}: no volume ${name}`,
    );
  }
  for (const { name, configMap } of set.template.spec.volumes) {
    if (configMap === undefined) continue;
    const there = all.some(
      (one) => one.kind === 'ConfigMap' && one.metadata.name === configMap.name,
    );
    assert.ok(there, `${file}: volume ${name} has no ConfigMap ${configMap.name}`);
  }
  const { value } = container.env.find((one) => one.name === 'MILLRACE_STOP_WITHIN');
  const graceMs = set.template.spec.terminationGracePeriodSeconds * 1_000;
  assert.ok(Number(value) < graceMs, `${file}: the pod is killed before it has stopped`);
  console.log(`${file}: all parts mean the same pods`);
}
