import { expect, test } from "bun:test";
import { createManualClock } from "./clock-manual.ts";
import { foundSoon } from "./found-soon.ts";

test("what is there is found at once", async () => {
  expect(await foundSoon(createManualClock(), async () => "here")).toBe("here");
});

test("what comes within a second is found", async () => {
  const clock = createManualClock();
  let there: string | undefined;
  const found = foundSoon(clock, async () => there);
  await clock.advance(500);
  there = "here";
  await clock.advance(100);
  expect(await found).toBe("here");
});

test("what does not come is given up after a second, and the last look knows that it is", async () => {
  const clock = createManualClock();
  const looks: boolean[] = [];
  const found = foundSoon(clock, async (last) => {
    looks.push(last);
    return undefined;
  });
  await clock.advance(2_000);
  expect(await found).toBeUndefined();
  expect(looks.filter((last) => last)).toEqual([true]);
  expect(looks.at(-1)).toBe(true);
  expect(clock.monotonicMs()).toBe(2_000);
});
