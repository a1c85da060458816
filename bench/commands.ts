/**
 * The load: for each escrow its creation by the buyer and the seller's acceptance. The first says
 * one event; the second two events and the command to open a payment.
 */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampNow } from "@bufbuild/protobuf/wkt";
import {
  AcceptTermsSchema,
  type Command,
  CommandSchema,
  CreateEscrowSchema,
} from "../src/gen/escrow/v1/commands_pb.ts";
import {
  Actor_Kind,
  ActorSchema,
  MoneySchema,
  type Terms,
  TermsSchema,
} from "../src/gen/escrow/v1/types_pb.ts";
import { defaultFees } from "../src/kernel/fees.ts";
import { generateCommandEventId, generateEscrowId, hashFields } from "../src/kernel/ids.ts";
import { sandboxOnly } from "../src/modules/escrow/domain/routing.ts";
import { prepareTerms, termsHash } from "../src/modules/escrow/domain/terms.ts";
import { encode } from "../src/platform/messaging/codec.ts";
import type { NewRecord } from "../src/platform/messaging/event-log.ts";
import { topics } from "../src/topics.ts";

export const messagesPerPair = 4;
const buyer = "alice";
const seller = "bob";

/** All creations, then all acceptances, so that a batch holds many escrows and few pairs. */
export function commandRecords(count: number): NewRecord[] {
  const run = crypto.randomUUID();
  const ids = Array.from({ length: count / 2 }, (_, n) => generateEscrowId(run, String(n)));
  const terms = saleTerms();
  const hash = preparedHash(terms);
  const creations = ids.map((id) =>
    command(id, buyer, {
      case: "createEscrow",
      value: create(CreateEscrowSchema, { terms, reference: "order 4711" }),
    }),
  );
  const acceptances = ids.map((id) =>
    command(id, seller, {
      case: "acceptTerms",
      value: create(AcceptTermsSchema, { termsHash: hash }),
    }),
  );
  const now = new Date();
  return [...creations, ...acceptances].map((message) =>
    encode(
      {
        topic: topics.escrowCommands,
        message,
        correlationId: message.correlationId,
        causationId: message.causationId,
      },
      "bench",
      now,
    ),
  );
}

function saleTerms(): Terms {
  return create(TermsSchema, {
    buyerId: buyer,
    sellerId: seller,
    amount: create(MoneySchema, { amount: 10_000n, currency: "USD" }),
  });
}

const rules = { fees: defaultFees, routing: sandboxOnly };

function preparedHash(terms: Terms): string {
  const prepared = prepareTerms({ ...terms, revision: 1 }, rules);
  if ("rejected" in prepared) throw new Error(prepared.rejected.detail);
  return termsHash(prepared.terms);
}

type Body = NonNullable<MessageInitShape<typeof CommandSchema>["body"]>;

function command(escrowId: string, actorId: string, body: Body): Command {
  const id = generateCommandEventId(escrowId, body.case ?? "", actorId, "key");
  return create(CommandSchema, {
    commandId: id,
    escrowId,
    actor: create(ActorSchema, { kind: Actor_Kind.USER, id: actorId, principal: `x|${actorId}` }),
    fingerprint: hashFields(id),
    correlationId: crypto.randomUUID(),
    causationId: id,
    sentAt: timestampNow(),
    body,
  });
}
