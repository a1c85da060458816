// Row E6 and the dashboards: every metric that a panel or an alert names is there, and Prometheus can read it.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parser } from "@prometheus-io/lezer-promql";
import { root } from "../../scripts/process.ts";
import { startApp, type TestApp } from "../support/app.ts";
import { fundedEscrow } from "../support/sale.ts";

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly annotations: { readonly summary: string; readonly runbook: string };
}

const read = (path: string): string => readFileSync(join(root, path), "utf8");
const rules = (
  Bun.YAML.parse(read("deploy/prometheus/alerts.yml")) as {
    readonly groups: readonly { readonly rules: readonly Rule[] }[];
  }
).groups.flatMap((group) => group.rules);
const { panels } = JSON.parse(read("deploy/grafana/dashboards/app.json")) as {
  readonly panels: readonly {
    readonly title: string;
    readonly targets?: readonly { readonly expr: string }[];
  }[];
};
const expressions: readonly (readonly [string, string])[] = [
  ...rules.map(({ alert, expr }) => [alert, expr] as const),
  ...panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }, index) => [`panel ${title} ${index}`, expr] as const),
  ),
];
/** Prometheus' own. */
const ownMetrics = ["up"];
const ownLabels = ["job", "instance", "le"];

interface Parts {
  readonly broken: boolean;
  readonly metrics: readonly string[];
  readonly labels: readonly string[];
}

function partsOf(expr: string): Parts {
  let broken = false;
  const metrics: string[] = [];
  const labels: string[] = [];
  parser.parse(expr).iterate({
    enter: ({ type, from, to, node }) => {
      const text = expr.slice(from, to);
      if (type.isError) broken = true;
      if (type.name === "Identifier" && node.parent?.name === "VectorSelector") metrics.push(text);
      if (type.name === "LabelName") labels.push(text);
    },
  });
  return { broken, metrics, labels };
}

let app: TestApp;
let shown = "";
beforeAll(async () => {
  app = await startApp();
  await fundedEscrow(app);
  await app.settle();
  shown = await (await fetch(`${app.url}/metrics`)).text();
}, 60_000);
afterAll(() => app.stop());

function isShown(metric: string): boolean {
  const family = metric.replace(/_(bucket|count|sum)$/, "");
  return new RegExp(`^# TYPE ${family} `, "m").test(shown);
}

test("the check sees what is wrong: an unknown metric, a broken expression", () => {
  expect(isShown("kafka_events_processed")).toBe(false);
  expect(partsOf("sum by (le (rate(up[5m]))").broken).toBe(true);
  expect(partsOf('max by (group) (kafka_consumer_lag{topic="a"}) > 1')).toEqual({
    broken: false,
    metrics: ["kafka_consumer_lag"],
    labels: ["group", "topic"],
  });
});

test("there are alerts and panels", () => {
  expect(rules.length).toBeGreaterThan(15);
  expect(expressions.length).toBeGreaterThan(45);
});

describe.each(expressions)("%s", (_, expr) => {
  test("can be read, and names metrics and labels that are there", () => {
    const { broken, metrics, labels } = partsOf(expr);
    expect({ expr, broken }).toEqual({ expr, broken: false });
    expect(metrics.length).toBeGreaterThan(0);
    for (const metric of metrics.filter((name) => !ownMetrics.includes(name))) {
      expect({ metric, shown: isShown(metric) }).toEqual({ metric, shown: true });
      const samples = shown.split("\n").filter((line) => line.startsWith(`${metric}{`));
      if (samples.length === 0 || expr.includes("label_replace")) continue;
      for (const label of labels.filter((name) => !ownLabels.includes(name))) {
        expect({
          metric,
          label,
          known: samples.some((line) => line.includes(`${label}="`)),
        }).toEqual({ metric, label, known: true });
      }
    }
  });
});

test("each alert has its paragraph in the runbook, and each paragraph its alert", () => {
  const headings = [...read("docs/operations.md").matchAll(/^### (\w+)$/gm)].map(
    ([, name]) => name,
  );
  expect(headings.toSorted()).toEqual(rules.map(({ alert }) => alert).toSorted());
  for (const { alert, annotations } of rules) {
    expect(annotations.runbook).toBe(`docs/operations.md#${alert.toLowerCase()}`);
    expect(annotations.summary).not.toBe("");
  }
});

test("every panel is drawn from the provisioned source", () => {
  const dashboard = read("deploy/grafana/dashboards/app.json");
  const source = Bun.YAML.parse(
    read("deploy/grafana/provisioning/datasources/prometheus.yaml"),
  ) as { readonly datasources: readonly { readonly uid: string }[] };
  const used = new Set([...dashboard.matchAll(/"uid": "(prom\w*)"/g)].map(([, uid]) => uid));
  expect([...used]).toEqual(source.datasources.map(({ uid }) => uid));
});
