/** The query string of the list, checked; every wrong parameter is named. */
import { z } from "zod";
import { EscrowStatus_State } from "#gen/escrow/v1/types_pb";
import { HttpProblem } from "#platform/http/problem";
import type { PageCursors } from "./page-cursor.ts";
import type { ListFilter } from "./queries.ts";

const defaultLimit = 50;
const states = Object.values(EscrowStatus_State).filter(
  (name): name is string => typeof name === "string" && name !== "UNSPECIFIED",
);
const instantForm = "Must be an instant such as 2030-01-31T00:00:00Z.";
const text = z.string().min(1).max(200);

const parameters = z.strictObject({
  state: z.enum(states as [string, ...string[]]).optional(),
  party: z
    .string()
    .regex(/^[A-Za-z0-9_.@:-]{1,128}$/)
    .optional(),
  currency: z
    .string()
    .regex(/^[A-Z]{3,5}$/)
    .optional(),
  createdAfter: z.iso
    .datetime({ offset: true, error: instantForm })
    .transform((at) => new Date(at))
    // The database knows no year 0.
    .refine((at) => at.getUTCFullYear() > 0, { error: instantForm })
    .optional(),
  q: text.optional(),
  sort: z.enum(["-createdAt"]).optional(),
  limit: z.coerce.number().int().min(1).max(200).default(defaultLimit),
  cursor: z.string().min(1).max(500).optional(),
});

/** Throws 422 naming the parameter. */
export function readListFilter(
  query: Readonly<Record<string, string>>,
  cursors: PageCursors,
): ListFilter {
  const parsed = parameters.safeParse(query);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const field = String(issue?.path[0] ?? (issue && "keys" in issue ? issue.keys[0] : ""));
    throw new HttpProblem("INVALID_PARAMETER", issue?.message ?? "Not a filter.", { field });
  }
  const { cursor, sort: _newestFirst, ...filter } = parsed.data;
  return { ...filter, after: cursor === undefined ? undefined : cursors.read(cursor) };
}
