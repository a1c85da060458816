import { expect, test } from "bun:test";
import { TransientError } from "../errors.ts";
import { createPortion } from "./portion.ts";

const records = Array.from({ length: 250 }, (_, offset) => offset);
const cancelled = Object.assign(new Error("statement timeout"), { code: "57014" });

test("a batch the database cancels comes again smaller, down to one message", () => {
  const portion = createPortion();
  const sizes: number[] = [];
  for (let tried = 0; tried < 9; tried++) {
    const taken = portion.of(0, records).length;
    sizes.push(taken);
    portion.failed(0, taken, cancelled);
  }
  expect(sizes).toEqual([250, 125, 62, 31, 15, 7, 3, 1, 1]);
  expect(portion.of(1, records)).toHaveLength(250);
});

test("it grows again with each success; other failures leave it as it is", () => {
  const portion = createPortion();
  portion.failed(0, 250, new TransientError("connection lost"));
  expect(portion.of(0, records)).toHaveLength(250);
  portion.failed(0, 8, cancelled);
  portion.passed(0);
  expect(portion.of(0, records)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
});
