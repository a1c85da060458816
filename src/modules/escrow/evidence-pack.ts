/**
 * GET /v1/escrows/:id/evidence-pack: what a marketplace sends to a bank that asks its money back, in
 * one answer. Built from the escrow's own history, which is never changed, so that every line can be
 * proven: the terms as their hash was taken of them, each event with the hash of its bytes, texts
 * with theirs. For operators and the service that made the deal, nobody else.
 */

import { createHash } from "node:crypto";
import { fromBinary, type JsonValue, toJson } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { Hono } from "hono";
import { z } from "zod";
import { type Event, EventSchema } from "#gen/escrow/v1/events_pb";
import { type SealedText, type Terms, TermsSchema } from "#gen/escrow/v1/types_pb";
import { sha256Hex } from "#kernel/ids";
import type { Clock } from "#platform/clock";
import type { Database } from "#platform/database/database";
import { canonicalJson } from "#platform/http/idempotency";
import { instant, report } from "#platform/http/openapi/answers";
import { documented } from "#platform/http/openapi/documented";
import { actorOf } from "#platform/http/principal";
import { HttpProblem, notFound } from "#platform/http/problem";
import { bodyTypeOf } from "#platform/messaging/topic";
import type { HttpEnv } from "#platform/module";
import type { Keyring } from "#platform/sealing/keyring";
import { writtenWith } from "#platform/sealing/written-text";
import { canonicalTerms } from "./domain/terms.ts";
import { createMembership } from "./membership.ts";
import { readEscrow } from "./store.ts";

/** What payments can prove of an escrow; its own function, handed over. */
export type PaymentEvidenceOf = (
  escrowId: string,
) => Promise<{ readonly facts: JsonValue; readonly dueBy: string | undefined } | undefined>;

export interface EvidencePackOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly keyring: Pick<Keyring, "open">;
  readonly paymentEvidence: PaymentEvidenceOf;
}

const proven = () => ({ at: instant(), eventId: z.string(), sha256: z.string() });
const packAnswer = () =>
  z.object({
    escrowId: z.string(),
    builtAt: instant(),
    dueBy: instant().optional().describe("Until when the next bank wants it."),
    terms: z
      .object({
        title: z.string(),
        description: z.string(),
        agreed: report(),
        canonical: z.string().describe("The text the hash is of."),
        sha256: z.string(),
      })
      .nullable(),
    acceptance: z.array(z.object({ ...proven(), by: z.string(), termsHash: z.string() })),
    delivery: z.array(
      z.object({ ...proven(), milestoneIds: z.array(z.string()), note: z.string() }),
    ),
    messages: z.array(
      z.object({
        at: instant(),
        by: z.string(),
        type: z.string(),
        eventId: z.string(),
        text: z.string(),
        textSha256: z.string(),
        erased: z.boolean().describe("Its key was destroyed."),
        milestoneId: z.string().optional(),
        fileSha256: z.string().optional(),
        url: z.string().optional(),
      }),
    ),
    timeline: z.array(
      z.object({
        ...proven(),
        version: z.string(),
        type: z.string(),
        actor: z.string(),
        termsHash: z.string(),
      }),
    ),
    payment: report().nullable().describe("What payments can prove of it."),
    sha256: z.string().describe("Of all of the above, in canonical JSON."),
  });

type Open = (sealed: SealedText | undefined) => Promise<string>;

export function createEvidenceRoutes(options: EvidencePackOptions): Hono<HttpEnv> {
  const { db, keyring } = options;
  const membership = createMembership(options);
  const open: Open = async (sealed) => (sealed ? ((await keyring.open(sealed)) ?? "") : "");
  const app = new Hono<HttpEnv>();
  app.get(
    "/v1/escrows/:id/evidence-pack",
    documented({
      summary: "What a bank that takes money back is answered with, each line with its hash.",
      audience: "roles admin and auditor, and the service that made the deal",
      answers: { 200: packAnswer },
    }),
    async (c) => {
      const escrowId = c.req.param("id");
      const standing = await membership.standing(escrowId, actorOf(c.get("principal")));
      if (standing === undefined) throw notFound();
      if (standing === "buyer" || standing === "seller") {
        throw new HttpProblem("ROLE_REQUIRED", "It is for those who answer the bank.");
      }
      const stored = await readEscrow(db, escrowId);
      if (stored === undefined) throw notFound();
      const events = await historyOf(db, stored.no);
      return c.json(await packOf(escrowId, events, stored.escrow.terms, options, open));
    },
  );
  return app;
}

interface Recorded {
  readonly event: Event;
  /** Of the bytes as they were published. */
  readonly sha256: string;
}

async function historyOf(db: Database, escrowNo: bigint): Promise<Recorded[]> {
  const rows = await db.sql<{ payload: Uint8Array }>`
    SELECT payload FROM escrow.history WHERE escrow_no = ${escrowNo} ORDER BY version`;
  return rows.map(({ payload }) => ({
    event: fromBinary(EventSchema, payload),
    sha256: createHash("sha256").update(payload).digest("hex"),
  }));
}

async function packOf(
  escrowId: string,
  events: readonly Recorded[],
  terms: Terms | undefined,
  { clock, paymentEvidence }: EvidencePackOptions,
  open: Open,
) {
  const payment = await paymentEvidence(escrowId);
  const pack: Record<string, JsonValue> = {
    escrowId,
    builtAt: clock.now().toISOString(),
    ...(payment?.dueBy !== undefined && { dueBy: payment.dueBy }),
    terms: await termsOf(terms, open),
    acceptance: events.flatMap(acceptanceIn),
    delivery: (await Promise.all(events.map((each) => deliveryIn(each, open)))).flat(),
    messages: (await Promise.all(events.map((each) => messagesIn(each, open)))).flat(),
    timeline: events.map(lineOf),
    payment: payment?.facts ?? null,
  };
  // Over all of the above, so that what was sent can be told from what was changed.
  return { ...pack, sha256: sha256Hex(canonicalJson(pack)) };
}

async function termsOf(terms: Terms | undefined, open: Open): Promise<JsonValue> {
  if (terms === undefined) return null;
  const canonical = canonicalTerms(terms);
  return {
    title: await open(terms.title),
    description: await open(terms.description),
    agreed: toJson(TermsSchema, terms),
    canonical,
    sha256: sha256Hex(canonical),
  };
}

function acceptanceIn({ event, sha256 }: Recorded): JsonValue[] {
  const { body } = event;
  const common = { at: instantOf(event), eventId: event.eventId, sha256 };
  switch (body.case) {
    case "created": {
      const { buyerAccepted, sellerAccepted, terms, termsHash } = body.value;
      const by = [buyerAccepted && terms?.buyerId, sellerAccepted && terms?.sellerId];
      return by.flatMap((party) => (party ? [{ ...common, by: party, termsHash }] : []));
    }
    case "termsAccepted":
      return [{ ...common, by: body.value.acceptedBy, termsHash: body.value.termsHash }];
    default:
      return [];
  }
}

async function deliveryIn({ event, sha256 }: Recorded, open: Open): Promise<JsonValue[]> {
  const { body } = event;
  if (body.case !== "delivered") return [];
  const { milestoneIds, note } = body.value;
  const common = { at: instantOf(event), eventId: event.eventId, sha256 };
  return [{ ...common, milestoneIds: [...milestoneIds], note: await open(note) }];
}

/** What people wrote, each with the hash of what it says and of the file it names. */
async function messagesIn({ event }: Recorded, open: Open): Promise<JsonValue[]> {
  const { body } = event;
  const sealed = writtenWith({ body });
  const file = body.case === "evidenceAdded" ? body.value : undefined;
  if (sealed === undefined && file === undefined) return [];
  const text = await open(sealed);
  return [
    {
      at: instantOf(event),
      by: event.actor?.id ?? "",
      type: body.case ?? "",
      eventId: event.eventId,
      text,
      textSha256: text === "" ? "" : sha256Hex(text),
      // Its key was destroyed: what it said is gone, that it was said is not.
      erased: sealed !== undefined && text === "",
      ...(file && { milestoneId: file.milestoneId, fileSha256: file.sha256, url: file.url }),
    },
  ];
}

function lineOf({ event, sha256 }: Recorded): JsonValue {
  return {
    version: event.version.toString(),
    at: instantOf(event),
    type: bodyTypeOf(EventSchema, event),
    actor: event.actor?.id ?? "",
    eventId: event.eventId,
    termsHash: event.termsHash,
    sha256,
  };
}

function instantOf({ occurredAt }: Event): string {
  return occurredAt === undefined ? "" : timestampDate(occurredAt).toISOString();
}
