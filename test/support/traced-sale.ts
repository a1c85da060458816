/**
 * A sale over HTTP whose requests belong to traces of the caller's: what was accepted, paid, and
 * released, each under its own trace id.
 */
import { mintToken } from "#platform/http/token";

export interface TracedSale {
  readonly escrowId: string;
  /** Of each step, by its name. */
  readonly traces: Readonly<Record<Step, Traced>>;
}

export type Step = "create" | "accept" | "pay" | "deliver" | "release";

export interface Traced {
  readonly traceId: string;
  readonly spanId: string;
  /** What the server says the trace is. */
  readonly answered: string | null;
}

interface Options {
  readonly url: string;
  readonly secret: string;
  /** Of the traces begun here. */
  readonly sampled?: boolean;
}

export async function runTracedSale({ url, secret, sampled = true }: Options): Promise<TracedSale> {
  const traces: Partial<Record<Step, Traced>> = {};

  async function ask(sub: string, path: string, step?: Step, body: object = {}) {
    const options = { sub, roles: [], issuer: "app", audience: "app", ttl: 3_600 };
    const token = await mintToken({ secret: new TextEncoder().encode(secret), ...options });
    const [traceId, spanId] = [hex(16), hex(8)];
    const response = await fetch(`${url}${path}`, {
      headers: {
        Authorization: `Bearer ${token}`,
        ...(step && {
          "Content-Type": "application/json",
          "Idempotency-Key": crypto.randomUUID(),
          traceparent: `00-${traceId}-${spanId}-${sampled ? "01" : "00"}`,
        }),
      },
      ...(step && { method: "POST", body: JSON.stringify(body) }),
    });
    const answered = response.headers.get("X-Trace-Id");
    if (step !== undefined) {
      if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
      traces[step] = { traceId, spanId, answered };
    }
    return response.json();
  }
  async function until(path: string, sub: string, reached: (body: Body) => boolean): Promise<Body> {
    for (const end = performance.now() + 60_000; performance.now() < end; await Bun.sleep(100)) {
      const body = (await ask(sub, path)) as Body;
      if (reached(body)) return body;
    }
    throw new Error(`it did not come to be in time: ${path}`);
  }

  const { escrowId } = (await ask("alice", "/v1/escrows", "create", deal)) as Body;
  const path = `/v1/escrows/${escrowId}`;
  const { termsHash } = await until(path, "bob", (body) => body.termsHash !== undefined);
  await ask("bob", `${path}/accept`, "accept", { termsHash });
  const { paymentId } = await until(`${path}/payment`, "alice", (b) => b.nextAction === "PAY");
  await ask("alice", `/sandbox/payments/${paymentId}/pay`, "pay");
  await until(path, "alice", ({ state }) => state === "FUNDS_HELD");
  await ask("bob", `${path}/deliver`, "deliver", { note: "tracking 123" });
  await until(path, "alice", ({ state }) => state === "DELIVERED");
  await ask("alice", `${path}/release`, "release");
  await until(path, "alice", ({ state }) => state === "RELEASED");
  return { escrowId: escrowId ?? "", traces: traces as Record<Step, Traced> };
}

type Body = Readonly<Record<string, string | undefined>>;

const deal = {
  buyerId: "alice",
  sellerId: "bob",
  title: "A used lens",
  amount: { amount: "10000", currency: "USD" },
};

function hex(bytes: number): string {
  return crypto.getRandomValues(Buffer.alloc(bytes)).toString("hex");
}
