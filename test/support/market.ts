/**
 * A marketplace's backend as it should be written: every command is repeated with the same key until
 * it is answered, every answer is remembered, and a sale goes from creation to RELEASED however often
 * the servers die on the way.
 */
import { mintToken } from "#platform/http/token";

export interface MarketOptions {
  /** Where to send the next request; asked anew for each, since servers come and go. */
  readonly url: () => string;
  readonly secret: string;
  /** One request with its repeats, or one state that is waited for, may take this long. */
  readonly patienceMs: number;
}

export interface Market {
  /** Resolves once RELEASED, with the escrow's id. */
  sell(): Promise<string>;
  /** `n` buyers and sellers, one sale after the other, until told to stop. */
  load(n: number): Load;
  get(path: string, subject?: string): Promise<Answer>;
  /** Every command that was ever accepted: 200 or 202 with this id. */
  readonly accepted: ReadonlySet<string>;
  /** Requests that had no good answer and were repeated. */
  readonly repeats: () => number;
}

export interface Load {
  /** Resolves after so many more sales; rejects when one failed. */
  more(sales: number): Promise<void>;
  /** Finishes what was begun; the ids of all escrows. */
  stop(): Promise<readonly string[]>;
}

interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: what a client sees is untyped JSON
  readonly body: any;
}

const deal = {
  buyerId: "alice",
  sellerId: "bob",
  title: "A used lens",
  amount: { amount: "10000", currency: "USD" },
};

export function createMarket({ url, secret, patienceMs }: MarketOptions): Market {
  const accepted = new Set<string>();
  const tokens = new Map<string, Promise<string>>();
  let repeats = 0;

  function tokenOf(sub: string): Promise<string> {
    const roles = sub === "operator" ? ["admin"] : [];
    const options = { sub, roles, issuer: "app", audience: "app", ttl: 3_600 };
    const known =
      tokens.get(sub) ?? mintToken({ secret: new TextEncoder().encode(secret), ...options });
    tokens.set(sub, known);
    return known;
  }

  async function once(sub: string, path: string, init: RequestInit): Promise<Answer> {
    const headers = new Headers(init.headers);
    headers.set("Authorization", `Bearer ${await tokenOf(sub)}`);
    const signal = AbortSignal.timeout(8_000);
    const response = await fetch(`${url()}${path}`, { ...init, headers, signal });
    const text = await response.text();
    return { status: response.status, body: text === "" ? undefined : JSON.parse(text) };
  }

  /** Repeats what was lost, refused for now or answered with a failure; the key makes that safe. */
  async function persist(sub: string, path: string, init: RequestInit = {}): Promise<Answer> {
    const until = performance.now() + patienceMs;
    for (;;) {
      const answer = await once(sub, path, init).catch((error: unknown) => String(error));
      const failed = typeof answer === "string" || answer.status >= 500 || answer.status === 429;
      if (!failed) return answer;
      if (performance.now() > until) throw new Error(`${path}: ${JSON.stringify(answer)}`);
      repeats += 1;
      await Bun.sleep(200);
    }
  }

  async function until<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
    const end = performance.now() + patienceMs;
    for (;;) {
      const found = await ask();
      if (found !== undefined) return found;
      if (performance.now() > end) throw new Error(`it did not come to be in time: ${what}`);
      await Bun.sleep(150);
    }
  }

  /** Sends a command and waits for its outcome, which must be a success. */
  async function command(sub: string, path: string, body: object): Promise<string> {
    const answer = await persist(sub, path, {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        "Idempotency-Key": crypto.randomUUID(),
        Prefer: "wait=2",
      },
      body: JSON.stringify(body),
    });
    const { commandId, escrowId, status } = answer.body;
    if (answer.status !== 200 && answer.status !== 202) {
      throw new Error(`${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    }
    accepted.add(commandId);
    if (status !== "succeeded")
      await until(`${path} ${commandId}`, () => succeeded(sub, commandId));
    return escrowId;
  }

  async function succeeded(sub: string, commandId: string): Promise<true | undefined> {
    const { body } = await persist(sub, `/v1/commands/${commandId}`);
    if (body.status === "rejected") throw new Error(`${commandId}: ${JSON.stringify(body)}`);
    return body.status === "succeeded" ? true : undefined;
  }

  async function pay(id: string): Promise<void> {
    const paymentId = await until<string>(`payment of ${id}`, async () => {
      const { status, body } = await persist("alice", `/v1/escrows/${id}/payment`);
      return status === 200 && body.nextAction === "PAY" ? body.paymentId : undefined;
    });
    const headers = { "Content-Type": "application/json", "Idempotency-Key": `pay-${id}` };
    const paid = await persist("alice", `/sandbox/payments/${paymentId}/pay`, {
      method: "POST",
      headers,
      body: "{}",
    });
    if (paid.status !== 202) {
      throw new Error(`not paid: ${paid.status} ${JSON.stringify(paid.body)}`);
    }
  }

  async function sell(): Promise<string> {
    const id = await command("alice", "/v1/escrows", deal);
    const shown = (sub: string) => persist(sub, `/v1/escrows/${id}`);
    const reached = (state: string) =>
      until(`${id} ${state}`, async () => {
        const { body } = await shown("alice");
        return body.state === state ? body : undefined;
      });
    const { termsHash } = await until(`view of ${id}`, async () => {
      const { body } = await shown("bob");
      return body.termsHash ? body : undefined;
    });
    await command("bob", `/v1/escrows/${id}/accept`, { termsHash });
    await pay(id);
    await reached("FUNDS_HELD");
    await command("bob", `/v1/escrows/${id}/deliver`, { note: "tracking 123" });
    await command("alice", `/v1/escrows/${id}/release`, {});
    await reached("RELEASED");
    return id;
  }

  function load(n: number) {
    const sold: string[] = [];
    let stopping = false;
    let failure: unknown;
    const one = async () => {
      while (!stopping) sold.push(await sell());
    };
    const all = Promise.all(Array.from({ length: n }, one));
    all.catch((error: unknown) => {
      failure = error;
      stopping = true;
    });
    return {
      async more(sales: number) {
        const enough = sold.length + sales;
        while (sold.length < enough) {
          if (failure !== undefined) throw failure;
          await Bun.sleep(50);
        }
      },
      async stop() {
        stopping = true;
        await all;
        return sold;
      },
    };
  }

  return {
    sell,
    load,
    get: (path, subject = "alice") => persist(subject, path),
    accepted,
    repeats: () => repeats,
  };
}
