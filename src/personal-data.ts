/**
 * A party's right to be forgotten, over all modules: its key is destroyed, and with it every text it
 * ever wrote, in tables, topics, dead letters and copies alike. Amounts, ids, hashes and the accounts
 * money went to (former ones too) stay, so the books and the audit log still prove themselves. A legal
 * hold wins, and so does a deal that is still open.
 */

import { Hono } from "hono";
import { z } from "zod";
import { LegalHoldRequestSchema } from "#gen/platform/v1/http_pb";
import { readJson, toMessage } from "#platform/http/body";
import { documented } from "#platform/http/openapi/documented";
import { partyPattern } from "#platform/http/path-id";
import { HttpProblem, notFound } from "#platform/http/problem";
import type { LegalHolds } from "#platform/legal-holds";
import type { HttpEnv } from "#platform/module";
import type { Keyring } from "#platform/sealing/keyring";

const erasure = () =>
  z.object({ partyId: z.string(), erased: z.literal(true), known: z.boolean() });
const hold = () => z.object({ partyId: z.string(), reference: z.string().optional() });

export interface PersonalData {
  /**
   * Throws HttpProblem 409 while a deal of the party is open, or may be, or a hold stands; 503 while
   * commands wait to be decided. False: it had nothing here that could be read.
   */
  erase(partyId: string): Promise<boolean>;
}

/** Of all commands that were accepted before; "set aside": dead letters are among them. */
type CommandsDecided = "decided" | "waiting" | "set aside";

export interface PersonalDataOptions {
  readonly keyring: Pick<Keyring, "erase">;
  /** Some escrow of the party that is not over; undefined when all are. */
  readonly openEscrowOf: (partyId: string) => Promise<string | undefined>;
  readonly commandsDecided: () => Promise<CommandsDecided>;
}

export function createPersonalData(options: PersonalDataOptions): PersonalData {
  const { keyring, openEscrowOf, commandsDecided } = options;
  return {
    erase: async (partyId) => {
      // A command that was accepted a moment ago may be the party's next deal.
      refuseUnless(await commandsDecided());
      const open = await openEscrowOf(partyId);
      if (open !== undefined) {
        const extra = { escrowId: open };
        throw new HttpProblem("ESCROW_OPEN", `A deal of this party is not over: ${open}.`, {
          extra,
        });
      }
      const { heldFor, destroyed } = await keyring.erase(partyId);
      if (heldFor !== undefined) {
        throw new HttpProblem("LEGAL_HOLD", `A legal hold stands: ${heldFor}.`);
      }
      return destroyed;
    },
  };
}

function refuseUnless(commands: CommandsDecided): void {
  if (commands === "waiting") {
    throw new HttpProblem("UNAVAILABLE", "Commands wait to be decided: try again in a moment.");
  }
  if (commands === "set aside") {
    const detail = "Commands are set aside, and may be this party's: replay or discard them first.";
    throw new HttpProblem("CONFLICT", detail);
  }
}

/** For admins, who are told whether there was anything to erase: a name mistyped erases nobody. */
export function personalDataRoutes(data: PersonalData, holds: LegalHolds): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  app.delete(
    "/v1/parties/:id/personal-data",
    documented({
      summary:
        "Forget a party: its key is destroyed, and every text it wrote with it. Its ids, amounts and payout accounts stay.",
      roles: ["admin"],
      answers: { 200: erasure },
    }),
    async (c) => {
      const partyId = partyOf(c.req.param("id"));
      return c.json({ partyId, erased: true, known: await data.erase(partyId) });
    },
  );
  app.put(
    "/v1/parties/:id/legal-hold",
    documented({
      summary: "Keep a party's texts, whoever would erase them.",
      roles: ["admin"],
      body: LegalHoldRequestSchema,
      answers: { 200: hold },
    }),
    async (c) => {
      const partyId = partyOf(c.req.param("id"));
      const { reference } = toMessage(LegalHoldRequestSchema, await readJson(c.req.raw));
      await holds.set(partyId, reference, c.get("principal").subject);
      return c.json({ partyId, reference });
    },
  );
  app.delete(
    "/v1/parties/:id/legal-hold",
    documented({ summary: "Lift it.", roles: ["admin"], answers: { 200: hold } }),
    async (c) => {
      const partyId = partyOf(c.req.param("id"));
      if (!(await holds.lift(partyId))) throw notFound();
      return c.json({ partyId });
    },
  );
  return app;
}

function partyOf(id: string): string {
  if (!partyPattern.test(id)) throw notFound();
  return id;
}
