/**
 * The specification of the decider: every state and every command, by everyone who matters.
 * A stranger, and a member of no escrow, is told NOT_FOUND everywhere.
 */
import { describe } from "bun:test";
import { existingStates, type StateName } from "../../../../test/support/escrow-states.ts";
import {
  acceptSettlement,
  acceptTerms,
  addEvidence,
  admin,
  amendTerms,
  auditor,
  autoRelease,
  buyer,
  cancelEscrow,
  createEscrow,
  expireDelivery,
  expireFunding,
  markDelivered,
  offerSettlement,
  raiseDispute,
  refundEscrow,
  releaseFunds,
  remind,
  resolveByDefault,
  resolveDispute,
  seller,
  terms,
  unblockEscrow,
  withdrawDispute,
} from "../../../../test/support/escrow-steps.ts";
import { events, nothing, rejected } from "../../../../test/support/given.ts";
import { createTable } from "../../../../test/support/table.ts";

const { row, complete } = createTable();

const unfunded = ["PROPOSED", "AWAIT_FUNDS"] as const;
const undecided = ["FUNDS_HELD", "DELIVERED"] as const;
const moving = ["RELEASING", "REFUNDING"] as const;
const decided = ["RELEASING", "RELEASE_BLOCKED", "REFUNDING"] as const;
const settled = ["RELEASED", "REFUNDED", "CHARGED_BACK", "CLOSED"] as const;
const stopped = ["FROZEN", "BLOCKED"] as const;
const locked = ["DISPUTED", "FROZEN", "BLOCKED"] as const;
const existing = existingStates;
const accepted = [
  "AWAIT_FUNDS",
  "FUNDS_HELD",
  "DELIVERED",
  "DISPUTED",
  "RELEASING",
  "RELEASE_BLOCKED",
  "REFUNDING",
  "FROZEN",
] as const;
const open = ["FUNDS_HELD", "DELIVERED", "RELEASING", "RELEASE_BLOCKED", "REFUNDING"] as const;
const funded = [
  "FUNDS_HELD",
  "DELIVERED",
  "DISPUTED",
  "RELEASING",
  "RELEASE_BLOCKED",
  "REFUNDING",
] as const;
const except = (...left: StateName[]) => existing.filter((state) => !left.includes(state));

const half = { buyer: 5_000n, seller: 5_000n };
const slower = terms({ autoRelease: "P14D" });

row("NONE", createEscrow({ by: buyer }), events("created"));
row(existing, createEscrow({ by: buyer }), rejected("ALREADY_EXISTS"));

const anyAcceptTerms = [
  acceptTerms({ by: buyer }),
  acceptTerms({ by: seller }),
  acceptTerms({ by: admin }),
];
row("NONE", anyAcceptTerms, rejected("NOT_FOUND"));
row(
  except("RELEASED", "REFUNDED", "CANCELLED", "CHARGED_BACK", "BLOCKED", "CLOSED"),
  acceptTerms({ by: buyer }),
  rejected("ALREADY_ACCEPTED"),
);
row(settled, anyAcceptTerms, rejected("ALREADY_SETTLED"));
row("CANCELLED", anyAcceptTerms, rejected("CANCELLED"));
row("BLOCKED", anyAcceptTerms, rejected("ESCROW_LOCKED"));
row("PROPOSED", acceptTerms({ by: seller }), events("termsAccepted", "awaitFunds"));
row(
  accepted,
  [acceptTerms({ by: seller }), acceptTerms({ by: admin })],
  rejected("ALREADY_ACCEPTED"),
);
row("PROPOSED", acceptTerms({ by: admin }), rejected("ROLE_REQUIRED"));

const anyAmendTerms = [
  amendTerms({ by: buyer, terms: slower }),
  amendTerms({ by: seller, terms: slower }),
  amendTerms({ by: admin, terms: slower }),
];
row("NONE", anyAmendTerms, rejected("NOT_FOUND"));
row(
  ["PROPOSED", "AWAIT_FUNDS", "FUNDS_HELD", "DELIVERED", "RELEASE_BLOCKED"],
  [amendTerms({ by: buyer, terms: slower }), amendTerms({ by: seller, terms: slower })],
  events("termsAmendmentProposed"),
);
row(locked, anyAmendTerms, rejected("ESCROW_LOCKED"));
row(moving, anyAmendTerms, rejected("DECISION_STANDS"));
row(settled, anyAmendTerms, rejected("ALREADY_SETTLED"));
row("CANCELLED", anyAmendTerms, rejected("CANCELLED"));
row(
  ["PROPOSED", "AWAIT_FUNDS", "FUNDS_HELD", "DELIVERED", "RELEASE_BLOCKED"],
  amendTerms({ by: admin, terms: slower }),
  rejected("ROLE_REQUIRED"),
);

const anyCancelEscrow = [
  cancelEscrow({ by: buyer }),
  cancelEscrow({ by: seller }),
  cancelEscrow({ by: admin }),
];
row("NONE", anyCancelEscrow, rejected("NOT_FOUND"));
row(unfunded, [cancelEscrow({ by: buyer }), cancelEscrow({ by: seller })], events("cancelled"));
row(
  ["FUNDS_HELD", "DELIVERED", "RELEASE_BLOCKED"],
  [cancelEscrow({ by: buyer }), cancelEscrow({ by: seller })],
  events("cancelRequested"),
);
row(locked, anyCancelEscrow, rejected("ESCROW_LOCKED"));
row(moving, anyCancelEscrow, rejected("DECISION_STANDS"));
row(settled, anyCancelEscrow, rejected("ALREADY_SETTLED"));
row("CANCELLED", anyCancelEscrow, rejected("CANCELLED"));
row(
  ["PROPOSED", "AWAIT_FUNDS", "FUNDS_HELD", "DELIVERED", "RELEASE_BLOCKED"],
  cancelEscrow({ by: admin }),
  rejected("ROLE_REQUIRED"),
);

const anyMarkDelivered = [
  markDelivered({ by: buyer }),
  markDelivered({ by: seller }),
  markDelivered({ by: admin }),
];
row("NONE", anyMarkDelivered, rejected("NOT_FOUND"));
row(unfunded, anyMarkDelivered, rejected("NOT_FUNDED"));
row(open, [markDelivered({ by: buyer }), markDelivered({ by: admin })], rejected("NOT_THE_SELLER"));
row(locked, anyMarkDelivered, rejected("ESCROW_LOCKED"));
row(settled, anyMarkDelivered, rejected("ALREADY_SETTLED"));
row("CANCELLED", anyMarkDelivered, rejected("CANCELLED"));
row("FUNDS_HELD", markDelivered({ by: seller }), events("delivered"));
row("DELIVERED", markDelivered({ by: seller }), rejected("ALREADY_DELIVERED"));
row(decided, markDelivered({ by: seller }), rejected("DECISION_STANDS"));

const anyReleaseFunds = [
  releaseFunds({ by: buyer }),
  releaseFunds({ by: seller }),
  releaseFunds({ by: admin }),
  releaseFunds({ by: admin, approved: true }),
];
row("NONE", anyReleaseFunds, rejected("NOT_FOUND"));
row(unfunded, anyReleaseFunds, rejected("NOT_FUNDED"));
row(
  undecided,
  [releaseFunds({ by: buyer }), releaseFunds({ by: admin, approved: true })],
  events("releaseRequested"),
);
row(locked, anyReleaseFunds, rejected("ESCROW_LOCKED"));
row(
  moving,
  [releaseFunds({ by: buyer }), releaseFunds({ by: admin, approved: true })],
  rejected("INSUFFICIENT_HELD"),
);
row("RELEASE_BLOCKED", releaseFunds({ by: buyer }), rejected("DECISION_STANDS"));
row(settled, anyReleaseFunds, rejected("ALREADY_SETTLED"));
row("CANCELLED", anyReleaseFunds, rejected("CANCELLED"));
row(open, releaseFunds({ by: seller }), rejected("NOT_THE_BUYER"));
row(open, releaseFunds({ by: admin }), rejected("APPROVAL_REQUIRED"));
row("RELEASE_BLOCKED", releaseFunds({ by: admin, approved: true }), events("releaseResumed"));

const anyRefundEscrow = [
  refundEscrow({ by: buyer }),
  refundEscrow({ by: seller }),
  refundEscrow({ by: admin }),
  refundEscrow({ by: admin, approved: true }),
];
row("NONE", anyRefundEscrow, rejected("NOT_FOUND"));
row(unfunded, anyRefundEscrow, rejected("NOT_FUNDED"));
row(open, refundEscrow({ by: buyer }), rejected("NOT_THE_SELLER"));
row(locked, anyRefundEscrow, rejected("ESCROW_LOCKED"));
row(settled, anyRefundEscrow, rejected("ALREADY_SETTLED"));
row("CANCELLED", anyRefundEscrow, rejected("CANCELLED"));
row(
  ["FUNDS_HELD", "DELIVERED", "RELEASE_BLOCKED"],
  [refundEscrow({ by: seller }), refundEscrow({ by: admin, approved: true })],
  events("refundRequested"),
);
row(
  moving,
  [refundEscrow({ by: seller }), refundEscrow({ by: admin, approved: true })],
  rejected("INSUFFICIENT_HELD"),
);
row(open, refundEscrow({ by: admin }), rejected("APPROVAL_REQUIRED"));

const anyUnblockEscrow = [
  unblockEscrow({ by: buyer }),
  unblockEscrow({ by: seller }),
  unblockEscrow({ by: admin }),
  unblockEscrow({ by: admin, approved: true }),
];
row("NONE", anyUnblockEscrow, rejected("NOT_FOUND"));
row(except("BLOCKED"), anyUnblockEscrow, rejected("NOT_BLOCKED"));
row(
  "BLOCKED",
  [unblockEscrow({ by: buyer }), unblockEscrow({ by: seller })],
  rejected("ROLE_REQUIRED"),
);
row("BLOCKED", unblockEscrow({ by: admin }), rejected("APPROVAL_REQUIRED"));
row("BLOCKED", unblockEscrow({ by: admin, approved: true }), events("unblocked"));

const anyRaiseDispute = [
  raiseDispute({ by: buyer }),
  raiseDispute({ by: seller }),
  raiseDispute({ by: admin }),
];
row("NONE", anyRaiseDispute, rejected("NOT_FOUND"));
row(unfunded, anyRaiseDispute, rejected("NOT_FUNDED"));
row(undecided, [raiseDispute({ by: buyer }), raiseDispute({ by: seller })], events("disputed"));
row(
  "DISPUTED",
  [raiseDispute({ by: buyer }), raiseDispute({ by: seller })],
  rejected("ALREADY_DISPUTED"),
);
row(
  decided,
  [raiseDispute({ by: buyer }), raiseDispute({ by: seller })],
  rejected("DECISION_STANDS"),
);
row(settled, anyRaiseDispute, rejected("ALREADY_SETTLED"));
row("CANCELLED", anyRaiseDispute, rejected("CANCELLED"));
row(stopped, anyRaiseDispute, rejected("ESCROW_LOCKED"));
row(funded, raiseDispute({ by: admin }), rejected("ROLE_REQUIRED"));

const anyWithdrawDispute = [
  withdrawDispute({ by: buyer }),
  withdrawDispute({ by: seller }),
  withdrawDispute({ by: admin }),
];
row("NONE", anyWithdrawDispute, rejected("NOT_FOUND"));
row(unfunded, anyWithdrawDispute, rejected("NOT_FUNDED"));
row(
  ["FUNDS_HELD", "DELIVERED", "RELEASING", "RELEASE_BLOCKED", "REFUNDING", "FROZEN"],
  anyWithdrawDispute,
  rejected("NOT_DISPUTED"),
);
row("DISPUTED", withdrawDispute({ by: buyer }), events("disputeWithdrawn"));
row(settled, anyWithdrawDispute, rejected("ALREADY_SETTLED"));
row("CANCELLED", anyWithdrawDispute, rejected("CANCELLED"));
row("BLOCKED", anyWithdrawDispute, rejected("ESCROW_LOCKED"));
row("DISPUTED", withdrawDispute({ by: seller }), rejected("NOT_THE_DISPUTER"));
row("DISPUTED", withdrawDispute({ by: admin }), rejected("ROLE_REQUIRED"));

const anyResolveDispute = [
  resolveDispute({ by: buyer, ...half }),
  resolveDispute({ by: seller, ...half }),
  resolveDispute({ by: admin, ...half }),
];
row("NONE", anyResolveDispute, rejected("NOT_FOUND"));
row(unfunded, anyResolveDispute, rejected("NOT_FUNDED"));
row(open, anyResolveDispute, rejected("NOT_DISPUTED"));
row(
  "DISPUTED",
  [resolveDispute({ by: buyer, ...half }), resolveDispute({ by: seller, ...half })],
  rejected("ROLE_REQUIRED"),
);
row(settled, anyResolveDispute, rejected("ALREADY_SETTLED"));
row("CANCELLED", anyResolveDispute, rejected("CANCELLED"));
row(stopped, anyResolveDispute, rejected("ESCROW_LOCKED"));
row(
  "DISPUTED",
  resolveDispute({ by: admin, ...half }),
  events("disputeResolved", "releaseRequested", "refundRequested"),
);

const anyOfferSettlement = [
  offerSettlement({ by: buyer, ...half }),
  offerSettlement({ by: seller, ...half }),
  offerSettlement({ by: admin, ...half }),
];
row("NONE", anyOfferSettlement, rejected("NOT_FOUND"));
row(unfunded, anyOfferSettlement, rejected("NOT_FUNDED"));
row(
  ["FUNDS_HELD", "DELIVERED", "DISPUTED"],
  [offerSettlement({ by: buyer, ...half }), offerSettlement({ by: seller, ...half })],
  events("settlementOffered"),
);
row(
  decided,
  [offerSettlement({ by: buyer, ...half }), offerSettlement({ by: seller, ...half })],
  rejected("DECISION_STANDS"),
);
row(settled, anyOfferSettlement, rejected("ALREADY_SETTLED"));
row("CANCELLED", anyOfferSettlement, rejected("CANCELLED"));
row(stopped, anyOfferSettlement, rejected("ESCROW_LOCKED"));
row(funded, offerSettlement({ by: admin, ...half }), rejected("ROLE_REQUIRED"));

const anyAcceptSettlement = [
  acceptSettlement({ by: buyer }),
  acceptSettlement({ by: seller }),
  acceptSettlement({ by: admin }),
];
row("NONE", anyAcceptSettlement, rejected("NOT_FOUND"));
row(unfunded, anyAcceptSettlement, rejected("NOT_FUNDED"));
row(
  funded,
  [acceptSettlement({ by: buyer }), acceptSettlement({ by: seller })],
  rejected("OFFER_UNKNOWN"),
);
row(settled, anyAcceptSettlement, rejected("ALREADY_SETTLED"));
row("CANCELLED", anyAcceptSettlement, rejected("CANCELLED"));
row(stopped, anyAcceptSettlement, rejected("ESCROW_LOCKED"));
row(funded, acceptSettlement({ by: admin }), rejected("ROLE_REQUIRED"));

const anyAddEvidence = [
  addEvidence({ by: buyer }),
  addEvidence({ by: seller }),
  addEvidence({ by: admin }),
  addEvidence({ by: auditor }),
];
row("NONE", anyAddEvidence, rejected("NOT_FOUND"));
row(
  except("BLOCKED"),
  [addEvidence({ by: buyer }), addEvidence({ by: seller })],
  events("evidenceAdded"),
);
row(
  "BLOCKED",
  [addEvidence({ by: buyer }), addEvidence({ by: seller }), addEvidence({ by: auditor })],
  rejected("ESCROW_LOCKED"),
);
row(existing, addEvidence({ by: admin }), events("evidenceAdded"));
row(except("BLOCKED"), addEvidence({ by: auditor }), rejected("ROLE_REQUIRED"));

const anyExpireFunding = [expireFunding(), expireFunding({ by: admin })];
row("NONE", anyExpireFunding, rejected("NOT_FOUND"));
row(unfunded, expireFunding(), events("deadlinePassed", "cancelled"));
row(except("PROPOSED", "AWAIT_FUNDS"), expireFunding(), nothing);
row(existing, expireFunding({ by: admin }), rejected("ROLE_REQUIRED"));

const anyExpireDelivery = [expireDelivery(), expireDelivery({ by: admin })];
row("NONE", anyExpireDelivery, rejected("NOT_FOUND"));
row(except("FUNDS_HELD"), expireDelivery(), nothing);
row("FUNDS_HELD", expireDelivery(), events("deadlinePassed", "refundRequested"));
row(existing, expireDelivery({ by: admin }), rejected("ROLE_REQUIRED"));

const anyAutoRelease = [autoRelease(), autoRelease({ by: admin })];
row("NONE", anyAutoRelease, rejected("NOT_FOUND"));
row(except("DELIVERED"), autoRelease(), nothing);
row("DELIVERED", autoRelease(), events("deadlinePassed", "releaseRequested"));
row(existing, autoRelease({ by: admin }), rejected("ROLE_REQUIRED"));

const anyResolveByDefault = [resolveByDefault(), resolveByDefault({ by: admin })];
row("NONE", anyResolveByDefault, rejected("NOT_FOUND"));
row(except("DISPUTED"), resolveByDefault(), nothing);
row("DISPUTED", resolveByDefault(), events("deadlinePassed", "disputeResolved", "refundRequested"));
row(existing, resolveByDefault({ by: admin }), rejected("ROLE_REQUIRED"));

const anyRemind = [remind(), remind({ by: admin })];
row("NONE", anyRemind, rejected("NOT_FOUND"));
row(existing, remind(), nothing);
row(existing, remind({ by: admin }), rejected("ROLE_REQUIRED"));

describe("the table", complete);
