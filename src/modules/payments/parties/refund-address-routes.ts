/**
 * POST and GET /v1/parties/:id/refund-addresses: where a buyer's money goes back to. Proven by the
 * wallet's own signature, one party's alone, and used only after it was screened; never the address
 * a deposit happened to come from.
 */

import { Hono } from "hono";
import { z } from "zod";
import { CreateRefundAddressRequestSchema } from "#gen/payments/v1/http_pb";
import { hashFields } from "#kernel/ids";
import type { Clock } from "#platform/clock";
import type { Database } from "#platform/database/database";
import { readJson, toMessage } from "#platform/http/body";
import { items } from "#platform/http/openapi/answers";
import { documented } from "#platform/http/openapi/documented";
import { partyPattern } from "#platform/http/path-id";
import { HttpProblem, notFound } from "#platform/http/problem";
import type { HttpEnv, Principal } from "#platform/module";
import { provenAddress } from "../providers/custodian/wallets.ts";
import type { PartyAccess } from "./party-access.ts";

const addressAnswer = () =>
  z.object({
    refundAddressId: z.string(),
    provider: z.string(),
    chainId: z.string(),
    address: z.string(),
    status: z.string(),
  });

export interface RefundAddressOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly access: PartyAccess;
  /** Where addresses are; absent: no provider needs one. */
  readonly custodian?: { readonly chainId: string };
}

interface RefundAddressRow {
  readonly refund_address_id: string;
  readonly provider: string;
  readonly chain_id: string;
  readonly address: string;
  readonly status: string;
}

const provider = "custodian";

export function createRefundAddressRoutes(options: RefundAddressOptions): Hono<HttpEnv> {
  const { db, custodian } = options;
  const app = new Hono<HttpEnv>();
  app.post(
    "/v1/parties/:id/refund-addresses",
    documented({
      summary: "Where a buyer's USDC goes back to; the wallet signs for it.",
      body: CreateRefundAddressRequestSchema,
      answers: { 201: addressAnswer },
    }),
    async (c) => {
      const principal = c.get("principal");
      const partyId = await partyOf(c.req.param("id"), principal, options, ["self", "operator"]);
      const body = toMessage(CreateRefundAddressRequestSchema, await readJson(c.req.raw));
      if (custodian === undefined || (body.provider || provider) !== provider) {
        throw new HttpProblem("PROVIDER_UNSUPPORTED", "No such provider takes addresses.", {
          field: "provider",
        });
      }
      const { chainId } = custodian;
      if (body.chainId !== chainId) {
        throw new HttpProblem("CHAIN_UNSUPPORTED", `Wallets are on chain ${chainId}.`, {
          field: "chainId",
        });
      }
      const claim = { partyId, chainId, address: body.address, use: "refunds" } as const;
      const address = await provenAddress(claim, body.signature);
      if (address === undefined) {
        throw new HttpProblem("SIGNATURE_INVALID", "The address did not sign the message.", {
          field: "signature",
        });
      }
      const row = await save(options, { partyId, chainId, address, by: principal.subject });
      return c.json(view(row), 201);
    },
  );
  app.get(
    "/v1/parties/:id/refund-addresses",
    documented({
      summary: "Where a buyer's USDC goes back to.",
      answers: { 200: items(addressAnswer) },
    }),
    async (c) => {
      const standings = ["self", "operator", "reader"] as const;
      const partyId = await partyOf(c.req.param("id"), c.get("principal"), options, standings);
      const rows = await db.sql<RefundAddressRow>`
      SELECT refund_address_id, provider, chain_id, address, status
      FROM payments.refund_address WHERE party_id = ${partyId}`;
      return c.json({ items: rows.map(view) });
    },
  );
  return app;
}

async function partyOf(
  partyId: string,
  principal: Principal,
  { access }: RefundAddressOptions,
  standings: readonly string[],
): Promise<string> {
  if (!partyPattern.test(partyId)) throw notFound();
  const standing = await access.standing(partyId, principal);
  if (standing === undefined || !standings.includes(standing)) throw notFound();
  return partyId;
}

interface NewAddress {
  readonly partyId: string;
  readonly chainId: string;
  readonly address: string;
  readonly by: string;
}

/** A new one takes the old one's place, and is screened first. The same one stays as it is. */
async function save(
  { db, clock }: RefundAddressOptions,
  { partyId, chainId, address, by }: NewAddress,
): Promise<RefundAddressRow> {
  const id = `rad_${hashFields(provider, partyId, address).slice(0, 32)}`;
  const now = clock.now();
  const [row] = await db.sql<RefundAddressRow>`
    INSERT INTO payments.refund_address AS a (refund_address_id, provider, party_id, chain_id,
      address, status, registered_by, due_at, tries, created_at, updated_at)
    SELECT ${id}, ${provider}, ${partyId}, ${chainId}, ${address}, 'PENDING', ${by},
      ${now}::timestamptz, 0, ${now}::timestamptz, ${now}::timestamptz
    WHERE NOT EXISTS (SELECT FROM payments.refund_address
      WHERE provider = ${provider} AND address = ${address} AND party_id <> ${partyId})
    ON CONFLICT (provider, party_id) DO UPDATE SET
      refund_address_id = excluded.refund_address_id, address = excluded.address,
      registered_by = excluded.registered_by,
      status = CASE WHEN a.address = excluded.address THEN a.status ELSE 'PENDING' END,
      due_at = CASE WHEN a.address = excluded.address THEN a.due_at ELSE excluded.due_at END,
      lease_until = NULL, updated_at = excluded.updated_at
    RETURNING refund_address_id, provider, chain_id, address, status`;
  if (row === undefined) throw new HttpProblem("ADDRESS_TAKEN", "The address is another party's.");
  return row;
}

function view(row: RefundAddressRow) {
  return {
    refundAddressId: row.refund_address_id,
    provider: row.provider,
    chainId: row.chain_id,
    address: row.address,
    status: row.status,
  };
}
