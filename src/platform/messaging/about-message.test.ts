import { expect, test } from "bun:test";
import { type Logger, silentLogger } from "../telemetry/logger.ts";
import { tell } from "./about-message.ts";
import type { LogRecord } from "./event-log.ts";
import type { SetAside } from "./parking.ts";

const record: LogRecord = {
  topic: "notes.v1",
  partition: 2,
  offset: 7n,
  key: "k",
  value: new Uint8Array(),
  headers: {},
  appendedAt: new Date(0),
};

function told(reason: SetAside["reason"]): object[] {
  const lines: object[] = [];
  const at = (level: string) => (fields: object, message: string) =>
    void lines.push({ level, message, ...fields });
  const logger: Logger = { ...silentLogger, warn: at("warn"), error: at("error") };
  tell(logger, [record], [{ record, messageId: "", messageType: "", reason }]);
  return lines;
}

test("a message that is dead at once is an alarm, one that is tried again a warning", () => {
  const place = { topic: "notes.v1", partition: 2, offset: "7" };
  expect(told("dead")).toMatchObject([
    { ...place, level: "error", alarm: "dead-letter", message: "message set aside: dead" },
  ]);
  const [failed] = told("failed");
  expect(failed).toMatchObject({ ...place, level: "warn", message: "message set aside: failed" });
  expect(failed).not.toHaveProperty("alarm");
  expect(told("behind")).toEqual([]);
});
