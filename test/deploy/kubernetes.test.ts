/** deploy/kubernetes: every document fits its schema, what is generated is current, names meet. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { generatedManifests } from "../../scripts/kubernetes.ts";
import { root } from "../../scripts/process.ts";
import { roleNames } from "../../src/config.ts";
import { kafkaUsers, rightsOf } from "../../src/kafka-rights.ts";
import { allTopics } from "../../src/topics.ts";
import { createValidator, type Manifest, manifestsOf, readManifests } from "./manifests.ts";

const all = (await readManifests("deploy/kubernetes/**/*.yaml")).filter(
  ({ kind }) => kind !== "Kustomization",
);
const validate = createValidator();
const ofKind = (kind: string) => all.filter((one) => one.kind === kind);
const workloads = all.filter(({ kind }) => ["Deployment", "Job"].includes(kind));
const roles = roleNames.filter((role) => role !== "all");

describe("every document of deploy/kubernetes", () => {
  test("fits the schema of its kind, to the last field", () => {
    expect(all.length).toBeGreaterThan(40);
    expect(all.flatMap(validate)).toEqual([]);
  });

  test.each([
    ["a misspelt field", "    replica: 3", "replica"],
    ["a word for a number", "    replicas: many", "replicas"],
  ])("%s would be found", (_what, line, named) => {
    const text = readFileSync(join(root, "deploy/kubernetes/app/api.yaml"), "utf8");
    const broken = text.replace(/^ {2}replicas: 2$/m, line.slice(2));
    expect(broken).not.toBe(text);
    expect(manifestsOf("api.yaml", broken).flatMap(validate).join()).toContain(named);
  });

  test("is in the namespace, under a name of its own", () => {
    const inside = all.filter(({ kind }) => kind !== "Namespace");
    const kafkaOnly = inside.filter(({ path }) => !/kafka\/(topics|users)/.test(path));
    for (const { kind, metadata } of kafkaOnly) {
      expect({ kind, ...metadata }).toMatchObject({ namespace: "app" });
    }
    const names = inside.map(({ kind, metadata }) => `${kind}/${metadata.name}`);
    expect(new Set(names).size).toBe(names.length);
  });

  test("is applied: kustomization.yaml names each file, but those that are optional", async () => {
    const [kustomization] = await readManifests("deploy/kubernetes/kustomization.yaml");
    const named = ((kustomization?.["resources"] ?? []) as string[]).map(
      (name) => `deploy/kubernetes/${name}`,
    );
    const files = new Set(
      all.map(({ path }) => path).filter((path) => !/\/(external|cdc)\//.test(path)),
    );
    expect([...files].sort()).toEqual(named.sort());
  });
});

describe("topics and users", () => {
  test("are what the program's catalogue and table of rights say: bun scripts/kubernetes.ts", async () => {
    for (const [path, text] of await generatedManifests()) {
      expect(readFileSync(join(root, path), "utf8")).toBe(text);
    }
  });

  test("cover every topic, its dead letters, and every user", () => {
    const topics = ofKind("KafkaTopic").map(({ spec }) => spec.topicName);
    for (const { name } of allTopics) {
      expect(topics).toContain(name);
      expect(topics).toContain(`${name}.dlq`);
    }
    const users = ofKind("KafkaUser")
      .filter(({ path }) => path.endsWith("/kafka/users.yaml"))
      .map(({ metadata }) => metadata.name);
    expect(users.sort()).toEqual(kafkaUsers.map((user) => `app-${user}`).sort());
  });
});

describe("change data capture", () => {
  const [connect] = ofKind("KafkaConnect");
  const [connector] = ofKind("KafkaConnector");
  const folder = join(root, "deploy/connect");

  test("the connector is the one that is tested: deploy/connect/outbox.json", () => {
    const tested = JSON.parse(readFileSync(join(folder, "outbox.json"), "utf8"));
    expect({
      name: connector?.metadata.name,
      config: {
        "connector.class": connector?.["spec"].class,
        "tasks.max": String(connector?.["spec"].tasksMax),
        ...connector?.["spec"].config,
      },
    }).toEqual(tested);
  });

  test("the worker has the settings of deploy/connect/worker.properties, and names what they read", () => {
    const lines = readFileSync(join(folder, "worker.properties"), "utf8").split("\n");
    const settings = Object.fromEntries(
      lines.filter((line) => /^[a-z]/.test(line)).map((line) => line.split(/=(.*)/).slice(0, 2)),
    );
    const { config, template } = connect?.["spec"] ?? {};
    for (const [name, value] of Object.entries(config)) {
      expect({ name, value: String(value) }).toEqual({ name, value: settings[name] });
    }
    const named: string[] = template.connectContainer.env.map((one: { name: string }) => one.name);
    const read = JSON.stringify(connector).matchAll(/\$\{env:(\w+)\}/g);
    expect(named.sort()).toEqual([...new Set([...read].map(([, name = ""]) => name))].sort());
    // The operator refuses such names: they are its own.
    expect(named.filter((name) => /^(KAFKA|STRIMZI)_/.test(name))).toEqual([]);
  });

  test("its user writes what the outbox writes", () => {
    const user = all.find(({ kind, metadata }) => {
      return kind === "KafkaUser" && metadata.name === "app-connect";
    });
    type Acl = { resource: { name: string; patternType: string } };
    const written = ((user?.["spec"].authorization.acls ?? []) as Acl[])
      .map(({ resource }) => resource)
      .filter(({ name }) => !name.startsWith("app.connect"))
      .map(({ name }) => name);
    expect(written.sort()).toEqual([...rightsOf("outbox").writes].sort());
  });
});

describe("what runs", () => {
  test("is each role once, as itself, with no right it does not need", () => {
    const deployed = ofKind("Deployment").filter(({ spec }) => appOf(spec) === "app");
    expect(deployed.map(({ metadata }) => metadata.name).sort()).toEqual([...roles].sort());
    for (const { metadata, spec } of deployed) {
      const { containers, ...pod } = spec.template.spec;
      const [container] = containers;
      expect(container.args).toEqual([`--role=${metadata.name}`]);
      expect(container.env).toContainEqual({
        name: "KAFKA_SASL_USERNAME",
        value: `app-${metadata.name}`,
      });
      expect(pod).toMatchObject({
        automountServiceAccountToken: false,
        securityContext: { runAsNonRoot: true, runAsUser: 65_532 },
      });
      // More than SHUTDOWN_TIMEOUT, so that the drain is not cut short.
      expect(pod.terminationGracePeriodSeconds).toBeGreaterThan(30);
    }
    for (const { spec } of workloads) {
      for (const { securityContext, image } of spec.template.spec.containers) {
        expect(securityContext).toMatchObject({
          allowPrivilegeEscalation: false,
          capabilities: { drop: ["ALL"] },
        });
        if (image === "app") expect(securityContext.readOnlyRootFilesystem).toBe(true);
      }
    }
  });

  test("loses one pod of a role at a time", () => {
    const budgets = new Map(ofKind("PodDisruptionBudget").map((one) => [one.metadata.name, one]));
    for (const role of roles) {
      expect(budgets.get(role)?.["spec"]).toMatchObject({
        maxUnavailable: 1,
        selector: { matchLabels: { "app.kubernetes.io/component": role } },
      });
    }
  });

  test("scales by the lag of groups and topics that exist, to no more than there are partitions", () => {
    const partitions = Math.min(...allTopics.map((topic) => topic.partitions));
    const scaled = ofKind("ScaledObject");
    expect(scaled.length).toBeGreaterThan(2);
    for (const { metadata, spec } of scaled) {
      const { groups, reads } = rightsOf(metadata.name as (typeof roles)[number]);
      expect(spec.scaleTargetRef.name).toBe(metadata.name);
      expect(spec.maxReplicaCount).toBeLessThanOrEqual(partitions);
      for (const trigger of spec.triggers) {
        expect(groups).toContain(trigger.metadata.consumerGroup);
        expect(reads).toContain(trigger.metadata.topic);
      }
    }
  });

  test("is reached only by what is named: every policy selects pods that exist", () => {
    const policies = ofKind("NetworkPolicy");
    expect(policies.map(({ metadata }) => metadata.name)).toContain("nothing-by-default");
    const components = new Set(workloads.map(({ spec }) => componentOf(spec)));
    for (const { spec } of policies) {
      const component = spec.podSelector.matchLabels?.["app.kubernetes.io/component"];
      if (component !== undefined) expect(components).toContain(component);
    }
  });
});

function appOf(spec: Manifest["spec"]): string {
  return spec.template.metadata.labels["app.kubernetes.io/name"];
}

function componentOf(spec: Manifest["spec"]): string {
  return spec.template.metadata.labels["app.kubernetes.io/component"];
}
