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
const limitForm = "Must be a whole number from 1 to 200.";
const text = (longest: number) => {
  const error = `Must be a text of 1 to ${longest} characters.`;
  return z.string().min(1, { error }).max(longest, { error });
};

const parameters = z.strictObject({
  state: z
    .enum(states as [string, ...string[]], { error: `Must be one of ${states.join(", ")}.` })
    .optional(),
  party: z
    .string()
    .regex(/^[A-Za-z0-9_.@:-]{1,128}$/, {
      error: "Must be a party's id: letters, digits and _ . @ : - only.",
    })
    .optional(),
  currency: z
    .string()
    .regex(/^[A-Z]{3,5}$/, { error: "Must be a currency's code such as USD." })
    .optional(),
  createdAfter: z.iso
    .datetime({ offset: true, error: instantForm })
    .transform((at) => new Date(at))
    // The database knows no year 0.
    .refine((at) => at.getUTCFullYear() > 0, { error: instantForm })
    .optional(),
  q: text(200).optional(),
  sort: z.enum(["-createdAt"], { error: "Must be -createdAt: the newest come first." }).optional(),
  limit: z.coerce
    .number({ error: limitForm })
    .int({ error: limitForm })
    .min(1, { error: limitForm })
    .max(200, { error: limitForm })
    .default(defaultLimit),
  cursor: text(500).optional(),
});

/** Throws 422 naming the parameter. */
export function readListFilter(
  query: Readonly<Record<string, string>>,
  cursors: PageCursors,
): ListFilter {
  const parsed = parameters.safeParse(query);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const unknown = issue?.code === "unrecognized_keys" ? issue.keys[0] : undefined;
    const field = String(unknown ?? issue?.path[0] ?? "");
    const detail = unknown === undefined ? issue?.message : "There is no such filter.";
    throw new HttpProblem("INVALID_PARAMETER", detail ?? "Not a filter.", { field });
  }
  const { cursor, sort: _newestFirst, ...filter } = parsed.data;
  return { ...filter, after: cursor === undefined ? undefined : cursors.read(cursor) };
}
