import { expect, test } from "bun:test";
import { timestampDate, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { addMs, formatDuration, isAfter, msBetween, parseDuration } from "./duration.ts";

const day = 86_400_000n;

test.each([
  ["P7D", 7n * day],
  ["PT72H", 3n * day],
  ["P2W", 14n * day],
  ["P1DT12H", day + day / 2n],
  ["PT1H30M", 5_400_000n],
  ["PT45S", 45_000n],
  ["P0D", 0n],
])("%s has a fixed length", (text, ms) => {
  expect(parseDuration(text)).toBe(ms);
});

test.each([
  "",
  "P",
  "PT",
  "P1DT",
  "7D",
  "P1Y",
  "P1M",
  "P1.5D",
  "-P1D",
  "P1W2D",
  "PT5",
  "p7d",
  " P7D",
  "P7D\n",
  "P1234567D",
])("%p is refused", (text) => {
  expect(parseDuration(text)).toBeUndefined();
});

test("instants move by milliseconds across months and leap days", () => {
  const at = timestampFromDate(new Date("2028-02-28T23:59:59.250Z"));
  const later = addMs(at, day);
  expect(later).toEqual(timestampFromDate(new Date("2028-02-29T23:59:59.250Z")));
  expect(msBetween(at, later)).toBe(day);
  expect(msBetween(later, at)).toBe(-day);
  expect([isAfter(later, at), isAfter(at, later), isAfter(at, at)]).toEqual([true, false, false]);
});

// pitfall 28: an instant is UTC and a day is 24 hours, wherever the clocks change meanwhile.
test.each(["2026-03-29T00:30:00.000Z", "2026-10-25T00:30:00.000Z", "2026-03-08T06:30:00.000Z"])(
  "pitfall 28: a day after %s is 24 hours later",
  (text) => {
    const start = timestampFromDate(new Date(text));
    const day = parseDuration("P1D") ?? 0n;
    expect(day).toBe(86_400_000n);
    expect(timestampDate(addMs(start, day)).toISOString()).toBe(
      new Date(Date.parse(text) + 86_400_000).toISOString(),
    );
    for (const local of ["P1M", "P1Y", "P1Y2M", "2026-03-29", "P1D+01:00"]) {
      expect(parseDuration(local)).toBeUndefined();
    }
  },
);

test("a length is written to the nearest second", () => {
  expect(formatDuration(3n * day - 4n)).toBe("P3D");
  expect(formatDuration(499n)).toBe("PT0S");
});

test.each(["PT0S", "PT1S", "PT90M", "P7D", "P1DT2H3M4S", "P400DT23H59M59S"])(
  "%s is written as it is read",
  (text) => {
    const ms = parseDuration(text) ?? 0n;
    expect(parseDuration(formatDuration(ms))).toBe(ms);
    if (text !== "PT90M") expect(formatDuration(ms)).toBe(text);
  },
);
