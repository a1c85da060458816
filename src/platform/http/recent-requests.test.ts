import { expect, test } from "bun:test";
import { createRecentRequests } from "./recent-requests.ts";

test("a repeat joins its first self, while that is taken and after", async () => {
  const recent = createRecentRequests<number>();
  let taken = 0;
  const take = async () => {
    await Bun.sleep(1);
    taken += 1;
    return taken;
  };
  const both = await Promise.all([recent.once("c", "f", take), recent.once("c", "f", take)]);
  const later = await recent.once("c", "f", take);
  expect([...both, later].map(({ repeated }) => repeated)).toEqual([false, true, true]);
  expect([...both, later].map(({ result }) => result)).toEqual([1, 1, 1]);
});

test("another body under the same key is refused, also after a failure", async () => {
  const recent = createRecentRequests<number>();
  const lost = () => Promise.reject(new Error("lost"));
  await expect(recent.once("c", "f", lost)).rejects.toThrow("lost");
  await expect(recent.once("c", "other", async () => 1)).rejects.toMatchObject({
    code: "IDEMPOTENCY_CONFLICT",
  });
  expect(await recent.once("c", "f", async () => 2)).toEqual({ result: 2, repeated: false });
});

test("twenty thousand are kept: who was not asked for longest goes", async () => {
  const recent = createRecentRequests<number>();
  const take = (n: number) => recent.once(`c${n}`, "f", async () => n);
  for (let n = 0; n < 20_000; n += 1) await take(n);
  await take(0);
  await take(20_000);
  expect((await take(0)).repeated).toBe(true);
  expect((await take(2)).repeated).toBe(true);
  expect((await take(1)).repeated).toBe(false);
});
