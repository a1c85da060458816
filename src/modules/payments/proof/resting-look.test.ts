import { expect, test } from "bun:test";
import { createManualClock } from "#platform/clock-manual";
import { createRestingLook } from "./resting-look.ts";

const clock = createManualClock();

function lookThatTakes(ms: number) {
  let looks = 0;
  const tell = createRestingLook(async () => {
    await clock.advance(ms);
    looks += 1;
    return looks;
  }, clock);
  return tell;
}

test("a look of 100 ms is told again for five seconds, then there is another", async () => {
  const tell = lookThatTakes(100);
  expect(await tell()).toBe(1);
  await clock.advance(5_000);
  expect(await tell()).toBe(1);
  await clock.advance(1);
  expect(await tell()).toBe(2);
});

test("whoever asks while a look is under way is told what it sees", async () => {
  const tell = lookThatTakes(100);
  expect(await Promise.all([tell(), tell(), tell()])).toEqual([1, 1, 1]);
});

test("a look that fails is none: the next one looks", async () => {
  let broken = true;
  const tell = createRestingLook(async () => {
    if (broken) throw new Error("away");
    return "seen";
  }, clock);
  await expect(tell()).rejects.toThrow("away");
  broken = false;
  expect(await tell()).toBe("seen");
});
