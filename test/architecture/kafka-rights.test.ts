/**
 * The rights in Kafka are a table written by hand, what reads is declared by modules: here the two are
 * held against each other, so that a new consumer group without rights fails before a broker refuses it.
 */
import { afterAll, expect, test } from "bun:test";
import { createMetrics } from "#platform/telemetry/metrics";
import { roleNames } from "../../src/config.ts";
import { rightsOf } from "../../src/kafka-rights.ts";
import { createSystemClock } from "../../src/platform/clock-system.ts";
import { silentLogger } from "../../src/platform/telemetry/logger.ts";
import { buildApplication } from "../../src/roles.ts";
import { resolveSecrets } from "../../src/secrets.ts";
import { memoryStores, testConfig } from "../support/app.ts";

const stores = await memoryStores();
afterAll(() => stores.close());

/** What a process with this role would read, without a broker: its groups, and the topics they read. */
function declaredBy(role: string) {
  // A connector's publishing is read; otherwise the outbox only writes.
  const config = {
    ...testConfig({ APP_ROLE: role, DATABASE_URL: "postgres://nobody@localhost/none" }),
    OUTBOX_PUBLISHER: "cdc" as const,
  };
  const clock = createSystemClock();
  const { groups, reads } = buildApplication({
    config,
    secrets: resolveSecrets(config),
    databases: stores.databases,
    log: stores.openLog({ clock, logger: silentLogger, memberId: role }),
    clock,
    logger: silentLogger,
    metrics: createMetrics(),
    processId: role,
    ownUrl: () => "",
  });
  return { groups: groups(), reads: reads() };
}

test.each([...roleNames])(
  "role %s has rights for the groups and topics it reads, and no more",
  (role) => {
    const declared = declaredBy(role);
    const granted = rightsOf(role);
    expect(granted.groups.toSorted()).toEqual(declared.groups.toSorted());
    // Everyone sends a message round through the probe's topic.
    const own = granted.reads.filter((topic) => topic !== "app.probe.v1");
    expect(own.toSorted()).toEqual(declared.reads.toSorted());
  },
);

test("the operator may ask how far each group of theirs has read, as `app doctor` does", () => {
  const { groups } = rightsOf("operator");
  expect(groups.toSorted()).toEqual(rightsOf("all").groups.toSorted());
});
