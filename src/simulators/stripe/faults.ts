/**
 * Trouble on request. A rule names which requests it meets and how often, and what goes wrong:
 * before anything happens, or after it has happened and only the answer is lost.
 */
import { type Form, textIn } from "./form.ts";

export type FaultKind =
  /** A saved 500; nothing was done. */
  | "error_before"
  /** A saved 500; it was done all the same. */
  | "error_after"
  /** Done, and no answer comes. */
  | "timeout_after"
  /** Done, and the connection is cut. */
  | "cut_after"
  /** Done, and the answer is no JSON. */
  | "unreadable"
  /** Done, and the answer says `says` of it. */
  | "untrue"
  | "conflict"
  /** The secret key is refused, before anybody looks at the idempotency key. */
  | "wrong_key"
  | "rate_limit";

export interface FaultRule {
  readonly kind: FaultKind;
  /** As in "POST /v1/transfers"; every request without. */
  readonly route?: string;
  /** Parameters the request must have. */
  readonly where?: Readonly<Record<string, string>>;
  /** Of an untrue answer: members of the object that are another. */
  readonly says?: Readonly<Record<string, unknown>>;
  /** Of a rate limit: seconds. */
  readonly retryAfter?: number;
  /** How many requests it meets; one without. */
  readonly times?: number;
}

export interface Faults {
  add(rule: FaultRule): void;
  /** The first rule that meets the request, used up by one. */
  take(route: string, form: Form): FaultRule | undefined;
  /** The same of those that come before the idempotency key is looked at. */
  takeAtDoor(route: string, form: Form): FaultRule | undefined;
  clear(): void;
}

export function createFaults(): Faults {
  let rules: { readonly rule: FaultRule; left: number }[] = [];
  const take = (route: string, form: Form, atDoor: boolean) => {
    const met = rules.find(
      ({ rule }) => (rule.kind === "wrong_key") === atDoor && meets(rule, route, form),
    );
    if (met === undefined) return undefined;
    met.left -= 1;
    rules = rules.filter(({ left }) => left > 0);
    return met.rule;
  };
  return {
    add: (rule) => {
      rules.push({ rule, left: rule.times ?? 1 });
    },
    take: (route, form) => take(route, form, false),
    takeAtDoor: (route, form) => take(route, form, true),
    clear: () => {
      rules = [];
    },
  };
}

function meets({ route: wanted, where = {} }: FaultRule, route: string, form: Form): boolean {
  if (wanted !== undefined && wanted !== route) return false;
  return Object.entries(where).every(([name, value]) => textIn(form, name) === value);
}
