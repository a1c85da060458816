// What a start is refused with, said of the settings before anything is opened.
import { expect, test } from "bun:test";
import { type ConfigSources, readConfig } from "../config.ts";

const refused = (
  flags: NonNullable<ConfigSources["flags"]>,
  environment: Record<string, string> = {},
) =>
  readConfig({ flags, environment }, { serving: true }).problems.map(
    ({ name, origin, value, expected }) => ({ name, origin, value, expected }),
  );

test.each(["999.1.1.1", "not a host", "1.2.3", "-x", "a..b"])("HOST=%s is no address", (HOST) => {
  expect(refused({ HOST })).toMatchObject([{ name: "HOST", origin: "flag", value: HOST }]);
});

test.each(["127.0.0.1", "0.0.0.0", "::", "::1", "localhost", "app-1.shop.example"])(
  "HOST=%s is one",
  (HOST) => {
    expect(refused({ HOST })).toEqual([]);
  },
);

test("some roles alone are refused on embedded data: no other process can play the rest", () => {
  expect(refused({ APP_ROLE: "api" })).toEqual([
    {
      name: "APP_ROLE",
      origin: "flag",
      value: "api",
      expected:
        "all of them: only this process can open embedded data, so give DATABASE_URL, or leave --role out",
    },
  ]);
  expect(refused({ APP_ROLE: "api", MEMORY: "true" })).toHaveLength(1);
  expect(refused({ APP_ROLE: "all" })).toEqual([]);
  expect(refused({ APP_ROLE: "escrow,payments,projections,outbox,api" })).toEqual([]);
});

test("a setting that contradicts others is told with where it is from", () => {
  const [first] = refused({}, { OUTBOX_PUBLISHER: "cdc" });
  expect(first).toMatchObject({ name: "OUTBOX_PUBLISHER", origin: "environment" });
});
