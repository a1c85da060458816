import { expect, test } from "bun:test";
import { createBreaker } from "./breaker.ts";
import { createManualClock } from "./clock-manual.ts";

function failTimes(breaker: ReturnType<typeof createBreaker>, times: number): void {
  for (let n = 0; n < times; n += 1) breaker.failed();
}

test("five failures in a row open it, and a success between them does not let it come to that", () => {
  const breaker = createBreaker({ clock: createManualClock() });
  failTimes(breaker, 4);
  breaker.succeeded();
  failTimes(breaker, 4);
  expect(breaker.room(0, 32)).toBe(32);
  breaker.failed();
  expect(breaker.state()).toBe("open");
  expect(breaker.room(0, 32)).toBe(0);
});

test("failures more than a minute apart do not add up", async () => {
  const clock = createManualClock();
  const breaker = createBreaker({ clock });
  for (let n = 0; n < 10; n += 1) {
    breaker.failed();
    await clock.advance(20_000);
  }
  expect(breaker.state()).toBe("closed");
});

test("after thirty seconds one probe at a time, closed after two that went well", async () => {
  const clock = createManualClock();
  const breaker = createBreaker({ clock });
  failTimes(breaker, 5);
  await clock.advance(30_000);
  expect(breaker.state()).toBe("half-open");
  expect(breaker.room(0, 32)).toBe(1);
  expect(breaker.room(1, 32)).toBe(0);
  breaker.failed();
  expect(breaker.state()).toBe("open");
  await clock.advance(30_000);
  breaker.succeeded();
  expect(breaker.state()).toBe("half-open");
  breaker.succeeded();
  expect(breaker.state()).toBe("closed");
  expect(breaker.room(0, 32)).toBe(32);
});
