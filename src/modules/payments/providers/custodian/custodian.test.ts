import { describe, expect, test } from "bun:test";
import { createHmac } from "node:crypto";
import { createManualClock } from "#platform/clock-manual";
import { assetOn, bookable } from "./assets.ts";
import { createCustodianProvider } from "./provider.ts";
import { requestHeaders } from "./sign.ts";

const secrets = ["whsec_new_of_tests", "whsec_old_of_tests"];
const clock = createManualClock();
const options = {
  url: "http://127.0.0.1:1",
  credentials: { keyId: "key", secret: "secret" },
  webhookSecrets: secrets,
  chainId: "8453",
  confirmations: 12,
  live: false,
  clock,
  timeoutMs: 500,
};
const provider = createCustodianProvider(options);
const body = JSON.stringify({
  id: "evt_1",
  type: "deposit.final",
  objectId: "dpa_1",
  createdAt: "2030-01-01T00:00:00.000Z",
  live: false,
});
const seconds = Math.floor(clock.wall().getTime() / 1_000);

function digest(secret: string, t = seconds, text = body) {
  return createHmac("sha256", secret).update(`${t}.${text}`).digest();
}

function verified(signature: string, t: number | string = seconds, text = body) {
  const headers = new Headers({
    "Custodian-Timestamp": String(t),
    "Custodian-Signature": signature,
  });
  return provider.verifyWebhook(new TextEncoder().encode(text), headers);
}

describe("B14: a custodian's webhook", () => {
  const right = digest("whsec_new_of_tests").toString("hex");

  test("is taken when one of the secrets in rotation signed it, alone or beside others", async () => {
    const old = digest("whsec_old_of_tests").toString("hex");
    const foreign = digest("whsec_retired").toString("hex");
    for (const signature of [`v1=${right}`, `v1=${old}`, `v1=${foreign},v1=${old}`]) {
      expect(await verified(signature)).toMatchObject({ eventId: "evt_1", objectId: "dpa_1" });
    }
  });

  const refused: [string, string, (number | string)?, string?][] = [
    ["by a retired secret", `v1=${digest("whsec_retired").toString("hex")}`],
    ["in base64", `v1=${digest("whsec_new_of_tests").toString("base64")}`],
    ["in upper case", `v1=${right.toUpperCase()}`],
    ["cut short", `v1=${right.slice(0, 62)}`],
    ["of another version", `v0=${right}`],
    ["without a version", right],
    ["with no text", ""],
    ["five of them", Array(5).fill(`v1=${right}`).join(",")],
    ["with another time in the header", `v1=${right}`, seconds + 1],
    ["with a time that is none", `v1=${right}`, "now"],
    ["over other bytes", `v1=${right}`, seconds, body.replace("evt_1", "evt_2")],
    ["over the same JSON, written anew", `v1=${right}`, seconds, `${body} `],
  ];
  test.each(refused)("is refused with a signature %s", async (_name, signature, t, text) => {
    expect(await verified(signature, t, text)).toEqual({ refused: "signature" });
  });

  test.each([
    [-301, "too_old"],
    [301, "in_future"],
  ] as const)("is refused %d seconds off, however well signed: %s", async (off, refused) => {
    const t = seconds + off;
    const signature = `v1=${digest("whsec_new_of_tests", t).toString("hex")}`;
    expect(await verified(signature, t)).toEqual({ refused });
    expect(await verified(`v1=${right}`, t)).toEqual({ refused: "signature" });
  });

  test("is refused when what is signed is no event", async () => {
    for (const text of ["", "hello", "{}", "[]", body.replace("dpa_1", "")]) {
      const signature = `v1=${digest("whsec_new_of_tests", seconds, text).toString("hex")}`;
      const refused = text === "" || text === "hello" ? "not_json" : "not_an_event";
      expect(await verified(signature, seconds, text)).toEqual({ refused });
    }
  });
});

test("a request's signature covers method, path, query, time and body", () => {
  const credentials = { keyId: "key", secret: "secret" };
  const asked = { method: "POST", path: "/v1/withdrawals?a=1", body: "{}" };
  const signatureOf = (changes: object, wall = clock.wall()) =>
    requestHeaders({ ...asked, ...changes }, credentials, wall)["Custodian-Signature"];
  const all = [
    signatureOf({}),
    signatureOf({ method: "GET" }),
    signatureOf({ path: "/v1/withdrawals?a=2" }),
    signatureOf({ body: "{ }" }),
    signatureOf({}, new Date(clock.wall().getTime() + 1_000)),
  ];
  expect(new Set(all).size).toBe(all.length);
});

test("P5: a custodian nobody reaches may have done it", async () => {
  const target = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A";
  const request = {
    operationId: "op",
    escrowId: "esc",
    paymentId: "pay",
    paymentRef: "dpa",
    buyerId: "alice",
    sellerId: "bob",
    amount: "1",
    currency: "USDC",
    descriptorSuffix: "",
    target,
  };
  const call = { key: "op.1", bytes: new Uint8Array(), request };
  expect(await provider.createTransfer(call)).toMatchObject({ kind: "unknown", replayed: false });
  const without = { ...call, request: { ...request, target: "" } };
  expect(await provider.createTransfer(without)).toMatchObject({ code: "SELLER_NOT_READY" });
  expect(await provider.createRefund(without)).toMatchObject({ code: "REFUND_ADDRESS_REQUIRED" });
});

describe("pitfall 31 and 36: what a token is in the books", () => {
  const base = assetOn("8453");
  if (base === undefined) throw new Error("no asset");
  const usdc = base.token;
  const other = "0x50c5725949A6F0c72E6C4a641F24049A917DB0Cb";
  const cases: [string, string, number, string, ReturnType<typeof bookable>][] = [
    ["native USDC to the unit", usdc, 6, "257550000", { currency: "USDC", amount: 257_550_000n }],
    ["the same in lower case", usdc.toLowerCase(), 6, "1", { currency: "USDC", amount: 1n }],
    ["the bridged token", base.bridged, 6, "1", { currency: "USDBC", amount: 1n }],
    [
      "18 decimals in millionths",
      other,
      18,
      "1500000000000000000",
      {
        currency: "OTHER",
        amount: 1_500_000n,
      },
    ],
    ["dust below a millionth", other, 18, "999999999999", undefined],
    ["two decimals", other, 2, "150", { currency: "OTHER", amount: 1_500_000n }],
    ["a made-up fortune", other, 0, "9".repeat(78), undefined],
    ["nothing", usdc, 6, "0", undefined],
  ];
  for (const [name, token, decimals, amount, booked] of cases) {
    const sum = booked && `booked as ${booked.amount} ${booked.currency}`;
    test(`${name} is ${sum ?? "not booked"}`, () => {
      expect(bookable(base, { token, decimals, amount })).toEqual(booked);
    });
  }
});

describe("O13: the reference of an attempt", () => {
  const request = {
    operationId: "op_2",
    escrowId: "esc_1",
    paymentId: "pay_1",
    paymentRef: "dpa_1",
    buyerId: "alice",
    sellerId: "bob",
    amount: "1",
    currency: "USDC",
    descriptorSuffix: "",
    target: "0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045",
  };

  async function sentUnder(key: string): Promise<Record<string, string>> {
    const bodies: Record<string, string>[] = [];
    const server = Bun.serve({
      port: 0,
      fetch: async (asked) => {
        bodies.push((await asked.json()) as Record<string, string>);
        return new Response("", { status: 503 });
      },
    });
    const url = `http://127.0.0.1:${server.port}`;
    const call = { key, request, bytes: new Uint8Array() };
    await createCustodianProvider({ ...options, url }).createTransfer(call);
    await server.stop(true);
    return bodies[0] ?? {};
  }

  async function foundUnder(key: string, references: readonly string[]) {
    const items = references.map((reference, n) => {
      return { id: `wd_${n}`, reference, status: "final", code: "", networkFee: null };
    });
    const server = Bun.serve({ port: 0, fetch: () => Response.json({ items, next: null }) });
    const url = `http://127.0.0.1:${server.port}`;
    const found = await createCustodianProvider({ ...options, url }).findTransfer({ key, request });
    await server.stop(true);
    return found.kind === "succeeded" ? found.value : undefined;
  }

  test("is the operation for the first, as an older program sends and looks for it", async () => {
    expect((await sentUnder("op_2.1"))["reference"]).toBe("op_2");
    expect(await foundUnder("op_2.1", ["op_2"])).toMatchObject({
      objectId: "wd_0",
      attemptKey: "op_2.1",
    });
  });

  test("names the attempt from the second on, so that the first is not taken for it", async () => {
    expect((await sentUnder("op_2.2"))["reference"]).toBe("op_2.2");
    expect(await foundUnder("op_2.2", ["op_2.2", "op_2"])).toMatchObject({
      objectId: "wd_0",
      attemptKey: "op_2.2",
    });
    expect(await foundUnder("op_2.2", ["op_2"])).toMatchObject({ attemptKey: "op_2.1" });
  });

  test("with the number one, as it was written for a while, is the first's too", async () => {
    expect(await foundUnder("op_2.1", ["op_2.1"])).toMatchObject({ attemptKey: "op_2.1" });
  });
});

describe("a look-up in a list of several pages", () => {
  const withdrawal = (n: number) => ({
    id: `wd_${n}`,
    reference: `op_${n}`,
    status: "final",
    code: "",
    networkFee: null,
  });
  function serve(pages: (cursor: string | null) => object) {
    const server = Bun.serve({
      port: 0,
      fetch: (request) => Response.json(pages(new URL(request.url).searchParams.get("cursor"))),
    });
    const url = `http://127.0.0.1:${server.port}`;
    return { server, found: findAt(url) };
  }
  const findAt = (url: string) =>
    createCustodianProvider({ ...options, url }).findTransfer({
      key: "op_2.1",
      request: {
        operationId: "op_2",
        escrowId: "esc_1",
        paymentId: "pay_1",
        paymentRef: "dpa_1",
        buyerId: "alice",
        sellerId: "bob",
        amount: "1",
        currency: "USDC",
        descriptorSuffix: "",
        target: "",
      },
    });

  test("pitfall 21: goes on to the last page", async () => {
    const { server, found } = serve((cursor) =>
      cursor === null
        ? { items: [withdrawal(1)], next: "a b&c" }
        : { items: cursor === "a b&c" ? [withdrawal(2)] : [], next: null },
    );
    expect(await found).toMatchObject({ kind: "succeeded", value: { objectId: "wd_2" } });
    await server.stop(true);
  });

  test("pitfall 21: says of a broken list that nobody can tell, not that it is not there", async () => {
    const { server, found } = serve((cursor) =>
      cursor === null ? { items: [withdrawal(1)], next: "2" } : { oops: true },
    );
    expect(await found).toMatchObject({ kind: "unknown" });
    await server.stop(true);
  });
});
