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

test("a look that fails is not tried at every question: it rests a second, then there is another", async () => {
  let looks = 0;
  const tell = createRestingLook(async () => {
    looks += 1;
    if (looks === 1) throw new Error("away");
    return looks;
  }, clock);
  for (let n = 0; n < 3; n += 1) await expect(tell()).rejects.toThrow("away");
  await clock.advance(1_001);
  expect(await tell()).toBe(2);
});
