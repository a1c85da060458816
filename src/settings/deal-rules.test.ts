import { expect, test } from "bun:test";
import { loadConfig } from "../config.ts";
import { parseFees } from "./deal-rules.ts";

test("G8: a fee table is read whole, in TOML as in JSON", () => {
  const toml = '[USD.buyer]\nbasisPoints = "290"\nfixed = "30"\nmin = "50"\nmax = "900"';
  const json = '{"USD":{"buyer":{"basisPoints":"290","fixed":"30","min":"50","max":"900"}}}';
  const buyer = { basisPoints: 290n, fixed: 30n, min: 50n, max: 900n };
  const table = new Map([["USD", { buyer, seller: { basisPoints: 0n, fixed: 0n } }]]);
  expect(parseFees(toml, "toml")).toEqual({ table, problems: [] });
  expect(parseFees(json, "json")).toEqual({ table, problems: [] });
});

test("G8: everything wrong with a fee table is said at once", () => {
  const text = `
    [USD.buyer]
    basisPoints = "10001"
    fixed = 30
    [USD.broker]
    [EUR.seller]
    min = "9"
    max = "8"
    flat = "1"
    [XTS]`;
  expect(parseFees(text, "toml").problems).toEqual([
    "USD.broker: buyer or seller",
    "USD.buyer.fixed: whole minor units as a string",
    "USD.buyer.basisPoints: at most 10000",
    "EUR.seller.flat: one of basisPoints, fixed, min, max",
    "EUR.seller: min above max",
    "XTS: no such currency",
  ]);
  for (const broken of ["{", "[]", "{}", '{"USD":[]}', '{"USD":{"buyer":"1"}}']) {
    expect(parseFees(broken, "json").problems).toHaveLength(1);
  }
});

test("wrong fees and limits stop a start, with every other wrong setting", () => {
  const environment = {
    FEES: "/nowhere/fees.toml",
    PARTY_DAILY_AMOUNT: "USD=1.5",
    PARTY_DAILY_ESCROWS: "0",
    PORT: "high",
  };
  const load = () => loadConfig({ environment }, { serving: false });
  for (const name of [...Object.keys(environment), "the file cannot be read"]) {
    expect(load).toThrow(name);
  }
});
