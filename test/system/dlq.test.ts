/**
 * `app dlq` as operators type it: the compiled program on its own folder, with messages in its log that
 * no reader can take and one that is waited for; asked through the server, and without one.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import { EventSchema } from "#gen/payments/v1/events_pb";
import { createSystemClock } from "#platform/clock-system";
import { openPglite } from "#platform/database/pglite";
import type { NewRecord } from "#platform/messaging/event-log";
import { createTableLog } from "#platform/messaging/table/log";
import { silentLogger } from "#platform/telemetry/logger";
import type { LetterView } from "../../src/dead-letters/letter-view.ts";
import { emptyPlace, type Place } from "../support/binary.ts";
import { eventually } from "../support/logs.ts";
import { type AppProcess, type Ended, killAll, runApp, startApp } from "../support/processes.ts";

setDefaultTimeout(300_000);
const quiet = { LOG_LEVEL: "silent" };
/** Read by two consumers each: more lines than a pipe takes at once. */
const poison = 300;

let place: Place;
let app: AppProcess;
let url: string;

beforeAll(async () => {
  place = await emptyPlace();
  await start();
  await app.stop();
  await poisonLog();
  await start();
  await eventually(async () => (await letters()).length === 2 * poison + 2, 120_000);
});
afterAll(killAll);

async function start(): Promise<void> {
  app = startApp(place, ["--port", "0"], quiet);
  url = await app.ready(60_000);
}

/** While nobody has the folder. */
async function poisonLog(): Promise<void> {
  const db = await openPglite({ dataDir: join(place.folder, "data", "pg") });
  const clock = createSystemClock();
  const log = createTableLog({ db, clock, logger: silentLogger, memberId: "poison" });
  const producer = log.createProducer();
  const strange = Array.from({ length: poison }, (_, n): NewRecord => {
    const headers = { "message-id": `m-${n}`, "message-type": "poison" };
    return { topic: "escrow.commands.v1", key: `poison-${n}`, value: Buffer.from([0xff]), headers };
  });
  await producer.send(strange);
  // The fourth fact of a payment, whose first three nobody has seen.
  const fact = create(EventSchema, {
    eventId: "evt_4",
    escrowId: "esc_waiting",
    version: 4n,
    body: { case: "webhookHandled", value: { eventId: "e", type: "t" } },
  });
  const value = toBinary(EventSchema, fact);
  const headers = { "message-id": "evt_4", "message-type": "payments.v1.WebhookHandled" };
  await producer.send([{ topic: "payments.events.v1", key: "esc_waiting", value, headers }]);
  await producer.close();
  await log.close();
  await db.close();
}

const dlq = (...args: string[]): Promise<Ended> =>
  runApp(place, ["dlq", ...args], { ...quiet, USER: "ann" });

// biome-ignore lint/suspicious/noExplicitAny: what a script sees is untyped JSON
async function asked(...args: string[]): Promise<any> {
  const { code, stdout, stderr } = await dlq(...args, "--json");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return JSON.parse(stdout);
}

async function letters(...args: string[]): Promise<LetterView[]> {
  return (await asked("list", "--limit", "1000", ...args)).items;
}

async function one(consumer: string, key: string): Promise<LetterView> {
  const [letter] = await letters("--where", `consumer=${consumer}`, `key=${key}`);
  if (letter === undefined) throw new Error(`${consumer} has no letter of ${key}`);
  return letter;
}

describe("through the server", () => {
  test("K4: list narrows by type, time and conditions, groups, and names whole ids", async () => {
    expect(await letters("--type", "poison")).toHaveLength(2 * poison);
    expect(await letters("--where", "handler=escrow.commands", "state=dead")).toHaveLength(poison);
    expect(await letters("--where", "consumer=escrow.commands", "state=waiting")).toEqual([]);
    expect(await letters("--since", "PT1H")).toHaveLength(2 * poison + 2);
    expect(await letters("--since", "2999-01-01T00:00:00Z")).toEqual([]);
    const { groups } = await asked("list", "--group", "--type", "poison");
    expect(groups).toMatchObject([{ letters: 2 * poison, dead: 2 * poison, type: "poison" }]);
    const [{ fingerprint }] = groups;
    expect(await letters("--where", `fingerprint=${fingerprint}`)).toHaveLength(2 * poison);
    const { stdout } = await dlq("list", "--limit", "1");
    expect(stdout).toMatch(/^[a-z.-]+:[a-z0-9.]+:\d+:\d+ {2}(dead|waiting), tried/);
    expect(stdout).toContain("… and more");
  });

  test("a pipe that is closed early ends it quietly", async () => {
    const line = "{ dist/app dlq list --limit 1000; echo $? > code; } 2> err | head -n 1";
    const shell = Bun.spawn(["sh", "-c", line], {
      cwd: place.folder,
      env: { PATH: "/usr/local/bin:/usr/bin:/bin", HOME: place.folder, ...quiet },
    });
    expect((await new Response(shell.stdout).text()).split("\n")).toHaveLength(2);
    await shell.exited;
    const read = (name: string) => Bun.file(join(place.folder, name)).text();
    expect({ code: (await read("code")).trim(), err: await read("err") }).toEqual({
      code: "0",
      err: "",
    });
  });

  test("K4: show tells the whole story of one", async () => {
    const { id } = await one("escrow.commands", "poison-1");
    expect(await asked("show", id)).toMatchObject({
      id,
      headers: { "message-id": "m-1" },
      body: { bytes: 1, startsWith: "/w==" },
      behind: 0,
      history: [],
    });
    const { stdout } = await dlq("show", id);
    expect(stdout).toContain("discard    takes a second operator");
    expect(stdout).toContain("undecodable");
  });

  test("K5: a dry run says how many and how long, and changes nothing", async () => {
    const before = await letters();
    const some = ["--where", "consumer=escrow.commands", "--limit", "20"];
    const dry = await asked("replay", ...some, "--rate", "0.5/s", "--dry-run");
    expect(dry).toMatchObject({ status: "dry_run", letters: 20, seconds: 38, leftOut: 0 });
    const { status, letters: count } = await asked("discard", ...some, "--dry-run");
    expect({ status, count }).toEqual({ status: "dry_run", count: 20 });
    const others = (found: LetterView[]) => found.filter(({ type }) => type === "poison");
    expect(others(await letters())).toEqual(others(before));
  });

  test("K5: a replay is one try, at a rate, and stands in the letter's history", async () => {
    const { id } = await one("projections.escrow-commands", "poison-2");
    const done = await asked("replay", id, "--rate", "20/s", "--reason", "INC-1");
    expect(done).toMatchObject({ status: "replaying", letters: 1, ids: [id] });
    await eventually(async () => {
      const { attempts, state } = await asked("show", id);
      return attempts === 2 && state === "dead";
    }, 60_000);
    const { history } = await asked("show", id);
    expect(history).toMatchObject([{ action: "replay", reason: "INC-1" }]);
    expect((await dlq("show", id)).stdout).toMatch(
      /replay {4} \d{4}-.* by .*unproven:ann@\S+: INC-1/,
    );
  });

  test("K5: who acts is named: the system's user, or who says so; nobody acts without a name", async () => {
    const { id } = await one("escrow.commands", "poison-2");
    const nameless = (...args: string[]) => runApp(place, ["dlq", ...args], quiet);
    for (const action of ["replay", "discard"]) {
      const { code, stdout, stderr } = await nameless(action, id, "--reason", "INC-6");
      expect({ action, code, stdout }).toEqual({ action, code: 2, stdout: "" });
      expect(stderr).toContain("--operator NAME");
    }
    expect((await nameless("list", "--limit", "1")).code).toBe(0);
    expect((await nameless("replay", id, "--dry-run")).code).toBe(0);
    expect((await asked("show", id)).history).toEqual([]);
    const badName = ["replay", id, "--reason", "INC-6", "--operator", "a b"];
    expect(await nameless(...badName)).toMatchObject({ code: 2, stdout: "" });
    expect((await nameless("replay", id, "--reason", "INC-6", "--operator", "bea")).code).toBe(0);
    expect((await dlq("show", id)).stdout).toMatch(
      /replay {4} \d{4}-.* by .*unproven:\S+:says:bea: INC-6/,
    );
    const both = ["--server", url, "--token-file", "token", "--operator", "bea"];
    const twice = await dlq("replay", id, "--reason", "INC-6", ...both);
    expect(twice).toMatchObject({ code: 2, stdout: "" });
    expect(twice.stderr).toContain("the token says it");
  });

  test("a discard of what moves no money is done; one of what does waits for a second person", async () => {
    const views = await one("projections.escrow-commands", "poison-3");
    const gone = await dlq("discard", views.id, "--reason", "INC-2");
    expect(gone).toMatchObject({ code: 0, stdout: expect.stringContaining("1 discarded") });
    expect(await dlq("show", views.id)).toMatchObject({ code: 6, stdout: "" });

    const { id } = await one("escrow.commands", "poison-3");
    const unproven = await dlq("discard", id, "--reason", "INC-3", "--operator", "ann");
    expect(unproven).toMatchObject({ code: 6, stdout: "" });
    expect(unproven.stderr).toContain("use --server and --token-file");
    const ann = await runApp(place, ["token", "--sub", "ann", "--role", "admin"], quiet);
    await Bun.write(join(place.folder, "ann.token"), ann.stdout);
    const proven = ["--server", url, "--token-file", "ann.token"];
    const { status, approvalId } = await asked("discard", id, "--reason", "INC-3", ...proven);
    expect(status).toBe("awaiting_approval");
    const token = await runApp(place, ["token", "--sub", "otto", "--role", "admin"], quiet);
    const headers = { Authorization: `Bearer ${token.stdout.trim()}` };
    const list = await fetch(`${url}/v1/approvals`, { headers });
    expect(await list.json()).toMatchObject({ approvals: [{ letters: [id], reason: "INC-3" }] });
    const approve = `${url}/v1/approvals/${approvalId}/approve`;
    const approved = await fetch(approve, { method: "POST", headers });
    expect(await approved.json()).toMatchObject({ status: "discarded", ids: [id] });
    expect((await fetch(approve, { method: "POST", headers })).status).toBe(409);
    expect((await dlq("show", id)).code).toBe(6);
  });

  test("what is waited for is not discarded, and the refusal says what to do", async () => {
    const { id } = await one("escrow.payments-events", "esc_waiting");
    const refused = await dlq("discard", id, "--reason", "INC-4");
    expect(refused).toMatchObject({ code: 6, stdout: "" });
    expect(refused.stderr).toContain("LETTER_INDISPENSABLE");
    expect(refused.stderr).toContain("replay them");
    expect((await dlq("show", id)).stdout).toContain("discard    refused");
  });

  test("what was typed wrong ends with 2 and says why; nothing is meant by saying nothing", async () => {
    const reason = ["--reason", "INC-5"];
    const wrong: readonly [string, readonly string[]][] = [
      ["--where", ["list", "--where", "colour=red"]],
      ["state", ["list", "--where", "state=sad"]],
      ["--limit", ["list", "--limit", "0"]],
      ["since", ["list", "--since", "yesterday"]],
      ["unknown command", ["look"]],
      ["missing required argument", ["show"]],
      ["--reason", ["list", ...reason]],
      ["--all", ["list", "--all"]],
      ["--limit", ["replay", "a:b:1:2", ...reason, "--limit", "5"]],
      ["--reason", ["replay", "--all"]],
      ["name ids", ["discard", ...reason]],
      ["--rate", ["replay", "--all", ...reason, "--rate", "0"]],
      ["--rate", ["replay", "--all", ...reason, "--rate=-1"]],
      ["--rate", ["replay", "--all", ...reason, "--rate", "NaN"]],
      ["--rate", ["discard", "--all", ...reason, "--rate", "5"]],
      ["no letter's id", ["replay", "what", ...reason]],
      ["no letter's id", ["show", "nonsense"]],
      ["no letter's id", ["show", "nobody.commands:escrow.commands.v1:3:17"]],
    ];
    for (const [word, args] of wrong) {
      const { code, stdout, stderr } = await dlq(...args);
      expect({ args, code, stdout }).toEqual({ args, code: 2, stdout: "" });
      expect(stderr).toContain(word);
    }
    await Bun.write(join(place.folder, "token"), "none");
    const nowhere = ["--server", "http://127.0.0.1:9", "--token-file", "token"];
    expect(await dlq("list", ...nowhere)).toMatchObject({ code: 4, stdout: "" });
    const unknown = await dlq("show", "escrow.commands:escrow.commands.v1:3:999999");
    expect(unknown).toMatchObject({ code: 6, stderr: expect.stringContaining("NOT_FOUND") });
    const stranger = ["--server", url, "--token-file", "token"];
    expect(await dlq("list", ...stranger)).toMatchObject({ code: 6, stdout: "" });
  });
});

test("without a server the folder itself is asked, and what was done is in the audit log", async () => {
  const before = await letters("--type", "poison");
  expect((await app.stop()).code).toBe(0);
  expect(await letters("--type", "poison")).toEqual(before);
  const { id } = await one("projections.escrow-commands", "poison-4");
  expect(await asked("discard", id, "--reason", "INC-6")).toMatchObject({ ids: [id] });
  const command = await one("escrow.commands", "poison-5");
  expect(await asked("replay", command.id, "--reason", "INC-7")).toMatchObject({ letters: 1 });

  // The replay is tried, and written into the audit log, by the server that has the folder next.
  const rows = async () => {
    const { code, stdout } = await runApp(place, ["audit", "verify", "--json"], quiet);
    const { logs } = JSON.parse(stdout) as {
      logs: { log: string; rows: number; waiting: number }[];
    };
    return { code, ...logs.find(({ log }) => log === "escrow") };
  };
  const atRest = await rows();
  expect(atRest).toMatchObject({ code: 0, waiting: 1 });
  await start();
  await eventually(async () => (await rows()).waiting === 0, 60_000);
  expect((await rows()).rows).toBe((atRest.rows ?? 0) + 1);
  await eventually(async () => (await asked("show", command.id)).attempts === 2, 60_000);
  expect((await app.stop()).code).toBe(0);
});
