import { expect, test } from "bun:test";
import { misspelled } from "./misspelled.ts";

const settings = ["PARTY_DAILY_ESCROWS", "DATABASE_URL", "KAFKA_BROKERS", "PORT"];

test("a name that is nearly a setting's is told, with the one that was meant", () => {
  const environment = { PARTY_DAILY_ESCROW: "20", DATABSE_URL: "x", KAFKA_BROKER: "y" };
  expect(misspelled(environment, settings)).toEqual([
    { name: "PARTY_DAILY_ESCROW", meant: "PARTY_DAILY_ESCROWS" },
    { name: "DATABSE_URL", meant: "DATABASE_URL" },
    { name: "KAFKA_BROKER", meant: "KAFKA_BROKERS" },
  ]);
});

test("so is one in small letters", () => {
  expect(misspelled({ database_url: "x", "kafka-brokers": "y", port: "1" }, settings)).toEqual([
    { name: "database_url", meant: "DATABASE_URL" },
    { name: "kafka-brokers", meant: "KAFKA_BROKERS" },
  ]);
});

test("a setting, its file, a short name and another program's name are not", () => {
  const environment = {
    DATABASE_URL: "x",
    DATABASE_URL_FILE: "y",
    PORTS: "1",
    KAFKA_HEAP_OPTS: "",
  };
  expect(misspelled(environment, settings)).toEqual([]);
});
