/** The whole way with nothing faked: outbox, two supervised relays, and the log in tables. */
import { describe, expect, test } from "bun:test";
import { createSystemClock } from "#platform/clock-system";
import type { EventLog, LogRecord, TopicSettings } from "#platform/messaging/event-log";
import { createOutbox } from "#platform/messaging/outbox";
import { createTableLog } from "#platform/messaging/table/log";
import { silentLogger } from "#platform/telemetry/logger";
import { createSupervisor } from "#platform/workers/supervisor";
import { createOutboxModule, listHeld } from "../../src/modules/outbox/index.ts";
import { adapters } from "../support/databases.ts";
import { createLogSchema, eventually } from "../support/logs.ts";
import { createModuleSchema, judge, message, waiting } from "../support/outbox.ts";

const schema = "escrow";
const clock = createSystemClock();
const topic: TopicSettings = {
  name: "test.events.v1",
  partitions: 3,
  retentionDays: "forever",
  timestamps: "create",
};
const keys = Array.from({ length: 20 }, (_, n) => `esc_${n}`);

describe.each([...adapters])("outbox, relays and the log in $name", ({ open }) => {
  test("everything said arrives, in order per key", async () => {
    const { db, drop } = await open();
    await createModuleSchema(db, schema);
    await createLogSchema(db, "log");
    const log = createTableLog({ db, clock, memberId: "test", logger: silentLogger });
    await log.ensureTopics([topic]);
    const outbox = createOutbox({ schema, writer: "escrow", producerName: "test", clock });
    const supervisor = createSupervisor({ logger: silentLogger, clock });
    const shared = { db, schema, log, clock, logger: silentLogger, wakeOn: outbox };
    const { workers } = createOutboxModule({
      relays: ["one", "two"].map((owner) => ({ ...shared, owner })),
    });
    supervisor.run(workers, "relays");

    const said = new Map(keys.map((key) => [key, 0]));
    for (let round = 0; round < 40; round += 1) {
      const records = keys.flatMap((key) => {
        const last = said.get(key) ?? 0;
        said.set(key, last + 2);
        return [message(topic.name, key, last + 1), message(topic.name, key, last + 2)];
      });
      await db.withTx((tx) => outbox.enqueueRaw(tx, records));
      outbox.wake();
    }
    await eventually(async () => (await waiting(db, schema)) === 0);
    expect(await supervisor.stop(20_000)).toEqual([]);
    expect(await listHeld(db, schema)).toEqual([]);
    expect(supervisor.problems()).toEqual([]);

    const records = await readAll(log);
    expect(judge(records, said)).toEqual({ lost: 0, inversions: 0, repeats: 0 });
    await log.close();
    await drop();
  }, 60_000);
});

async function readAll(log: EventLog): Promise<LogRecord[]> {
  const records: LogRecord[] = [];
  for (const { partition, end } of await log.ends([topic.name])) {
    for (let next = 0n; next < end; ) {
      const slice = await log.read(topic.name, partition, next, 500);
      records.push(...slice);
      next = (slice.at(-1)?.offset ?? end) + 1n;
    }
  }
  return records;
}
