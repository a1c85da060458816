/** A client of the HTTP interface that keeps its connections and its tokens. */
import { mintToken } from "../src/platform/http/token.ts";
import { jwtSecret } from "./environment.ts";

export interface Client {
  post(path: string, body: unknown): Promise<Response>;
  get(path: string): Promise<Response>;
}

export async function createClient(url: string, subject: string, role: string): Promise<Client> {
  const token = await mintToken({
    secret: new TextEncoder().encode(jwtSecret),
    sub: subject,
    roles: [role],
    issuer: "app",
    audience: "app",
    ttl: 3_600,
  });
  const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
  return {
    get: (path) => fetch(`${url}${path}`, { headers }),
    post: (path, body) =>
      fetch(`${url}${path}`, {
        method: "POST",
        headers: { ...headers, "Idempotency-Key": crypto.randomUUID() },
        body: JSON.stringify(body),
      }),
  };
}

/** What Alice proposes to Bob in every bench. */
export const proposal = {
  buyerId: "alice",
  sellerId: "bob",
  title: "A used lens",
  amount: { amount: "10000", currency: "USD" },
} as const;
