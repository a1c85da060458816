/**
 * Every error answer: one class, one table from code to status, one shape (RFC 9457). What is not a
 * known problem becomes 500 or 503 without any inner text: a caller never sees SQL, hosts or stacks.
 */

import { HTTPException } from "hono/http-exception";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { CommandRejected_Code } from "#gen/escrow/v1/events_pb";
import { classifyDatabaseError, sqlState } from "../database/database-error.ts";
import { TransientError } from "../errors.ts";

/** What requests are refused with. A rejection's code that is missing here is 422: the request was understood. */
const statusByCode: Readonly<Record<string, ContentfulStatusCode>> = {
  MALFORMED_JSON: 400,
  INVALID_HEADER: 400,
  IDEMPOTENCY_KEY_REQUIRED: 400,
  BAD_SIGNATURE: 400,
  WEBHOOK_TOO_OLD: 400,
  WEBHOOK_IN_FUTURE: 400,
  WEBHOOK_NOT_JSON: 400,
  WEBHOOK_NOT_AN_EVENT: 400,
  WEBHOOK_OTHER_VERSION: 400,
  WEBHOOK_OTHER_ENDPOINT: 400,
  WEBHOOK_OTHER_ACCOUNT: 400,
  BAD_REQUEST: 400,
  UNAUTHENTICATED: 401,
  INVALID_TOKEN: 401,
  NOT_THE_BUYER: 403,
  NOT_THE_SELLER: 403,
  NOT_THE_DISPUTER: 403,
  ROLE_REQUIRED: 403,
  SCOPE_REQUIRED: 403,
  APPROVAL_REQUIRED: 403,
  NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  ESCROW_LOCKED: 409,
  NOT_FUNDED: 409,
  ALREADY_SETTLED: 409,
  ALREADY_ACCEPTED: 409,
  ALREADY_DELIVERED: 409,
  ALREADY_FUNDED: 409,
  SCREENING_PENDING: 409,
  NOT_WAITING: 409,
  ALREADY_DISPUTED: 409,
  ALREADY_EXISTS: 409,
  NOT_DISPUTED: 409,
  NOT_ACCEPTED: 409,
  NOT_PROPOSED: 409,
  NOT_BLOCKED: 409,
  DEADLINE_PASSED: 409,
  INSUFFICIENT_HELD: 409,
  DECISION_STANDS: 409,
  CANCELLED: 409,
  TOO_MANY_PARTS: 409,
  PAYOUT_METHOD_REQUIRED: 409,
  NOTHING_TO_PAY_OUT: 409,
  CONFLICT: 409,
  APPROVAL_EXPIRED: 409,
  APPROVAL_USED: 409,
  LETTER_INDISPENSABLE: 409,
  LEGAL_HOLD: 409,
  ESCROW_OPEN: 409,
  VERSION_MOVED: 412,
  BODY_TOO_LARGE: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
  UNSUPPORTED_ENCODING: 415,
  ACCOUNT_TAKEN: 422,
  ADDRESS_TAKEN: 422,
  AMOUNT: 422,
  CHAIN_UNSUPPORTED: 422,
  HOSTED_UNSUPPORTED: 422,
  IDEMPOTENCY_CONFLICT: 422,
  IF_MATCH_UNSUPPORTED: 422,
  INVALID_BODY: 422,
  INVALID_CURSOR: 422,
  INVALID_DURATION: 422,
  INVALID_FIELD: 422,
  INVALID_PARAMETER: 422,
  NOTHING_OWED: 422,
  PROVIDER_REFUSED: 422,
  PROVIDER_UNSUPPORTED: 422,
  SIGNATURE_INVALID: 422,
  TERMS_TOO_LARGE: 422,
  UNKNOWN_FIELD: 422,
  UNKNOWN_PARAMETER: 422,
  RATE_LIMITED: 429,
  INTERNAL: 500,
  NOT_AVAILABLE_HERE: 501,
  UNAVAILABLE: 503,
  TIMEOUT: 504,
};

/** What the domain refuses is about these fields of a body, whatever its route. */
const fieldByCode: Readonly<Record<string, string>> = {
  AMOUNT: "amount",
  CURRENCY_MISMATCH: "amount.currency",
  CURRENCY_UNSUPPORTED: "amount.currency",
  SAME_PARTY: "sellerId",
  MILESTONE_REQUIRED: "milestoneId",
  MILESTONE_UNKNOWN: "milestoneId",
  MILESTONE_DUPLICATE: "milestones",
  MILESTONES_SUM: "milestones",
  TERMS_HASH_MISMATCH: "termsHash",
  DEADLINE_INVALID: "terms",
  TERMS_TOO_LARGE: "terms",
};

export function statusOf(code: string): ContentfulStatusCode {
  return statusByCode[code] ?? 422;
}

/** All there are by status, for the reference: those of requests, and those of commands. */
export function codesByStatus(): string {
  const ofCommands = Object.values(CommandRejected_Code).filter(
    (code): code is string => typeof code === "string" && code !== "UNSPECIFIED",
  );
  const codes = [...new Set([...Object.keys(statusByCode), ...ofCommands])].sort();
  const byStatus = [...Map.groupBy(codes, statusOf)].sort(([a], [b]) => a - b);
  return byStatus.map(([status, named]) => `${status}: ${named.join(", ")}.`).join(" ");
}

export interface ProblemOptions {
  /** Path of the offending field of the body or query, as the client wrote it: `milestones[0].amount`. */
  readonly field?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Further members of the answer, such as `commandId`. */
  readonly extra?: Readonly<Record<string, string>> | undefined;
  readonly cause?: unknown;
}

/** An answer that is not a success. `detail` is shown to the caller: no personal data, no inner text. */
export class HttpProblem extends Error {
  override readonly name = "HttpProblem";
  readonly code: string;
  readonly status: ContentfulStatusCode;
  readonly field: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly extra: Readonly<Record<string, string>>;

  constructor(code: string, detail: string, options: ProblemOptions = {}) {
    super(detail, { cause: options.cause });
    this.code = code;
    this.status = statusOf(code);
    this.field = options.field ?? fieldByCode[code];
    this.headers = options.headers ?? {};
    this.extra = options.extra ?? {};
  }
}

/** Any thrown value as the problem to answer with. */
export function problemOf(error: unknown): HttpProblem {
  if (error instanceof HttpProblem) return error;
  if (error instanceof HTTPException && error.status < 500) {
    return new HttpProblem("BAD_REQUEST", "The request could not be read.", { cause: error });
  }
  if (error instanceof TransientError || isTransientDatabaseError(error)) {
    return unavailable({ cause: error });
  }
  return new HttpProblem("INTERNAL", "Something went wrong here; it has been logged.", {
    cause: error,
  });
}

export function unavailable(options: ProblemOptions = {}, detail?: string): HttpProblem {
  return new HttpProblem("UNAVAILABLE", detail ?? "Not available at the moment: try again.", {
    ...options,
    headers: { "Retry-After": "1", ...options.headers },
  });
}

/** The same words for what does not exist and what is another's: neither may be told from the other. */
export function notFound(): HttpProblem {
  return new HttpProblem("NOT_FOUND", "There is nothing here for you.");
}

export function problemResponse(problem: HttpProblem, correlationId: string): Response {
  const { code, status, message, field, extra } = problem;
  const body = {
    type: `urn:problem:${code.toLowerCase()}`,
    title: titleOf(code),
    status,
    code,
    detail: message,
    ...(field !== undefined && { field }),
    ...extra,
    correlationId,
  };
  return new Response(JSON.stringify(body), {
    status,
    headers: { "Content-Type": "application/problem+json", ...problem.headers },
  });
}

function titleOf(code: string): string {
  const words = code.toLowerCase().replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function isTransientDatabaseError(error: unknown): boolean {
  return sqlState(error) !== undefined && classifyDatabaseError(error) === "transient";
}
