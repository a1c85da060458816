/** Screening over HTTP: POST /v1/screenings. Whatever is not an answer as promised is none. */
import { z } from "zod";
import type { WalletScreening } from "../screening.ts";

export interface HttpScreeningOptions {
  readonly url: string;
  readonly apiKey: string;
  readonly timeoutMs?: number;
}

const answer = z.object({
  verdict: z.enum(["clear", "sanctioned"]),
  score: z.number().int().min(0).max(100),
  source: z.string().min(1).max(100),
  listVersion: z.string().min(1).max(100),
});

export function createHttpScreening({
  url,
  apiKey,
  timeoutMs = 10_000,
}: HttpScreeningOptions): WalletScreening {
  async function ask(question: object): Promise<z.output<typeof answer> | undefined> {
    const response = await fetch(`${url}/v1/screenings`, {
      method: "POST",
      headers: { Authorization: `Bearer ${apiKey}`, "Content-Type": "application/json" },
      body: JSON.stringify(question),
      redirect: "error",
      signal: AbortSignal.timeout(timeoutMs),
    });
    if (!response.ok) return undefined;
    const parsed = answer.safeParse(await response.json());
    return parsed.success ? parsed.data : undefined;
  }
  return {
    timeoutMs,
    screen: async ({ partyId: party, ...question }) => {
      const said = await ask({ party, ...question }).catch(() => undefined);
      if (said === undefined) return { kind: "unavailable" };
      const { verdict, ...rest } = said;
      return { kind: "answered", sanctioned: verdict === "sanctioned", ...rest };
    },
  };
}
