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
  | "conflict"
  | "rate_limit";

export interface FaultRule {
  readonly kind: FaultKind;
  /** As in "POST /v1/transfers"; every request without. */
  readonly route?: string;
  /** Parameters the request must have. */
  readonly where?: Readonly<Record<string, string>>;
  /** Of a rate limit: seconds. */
  readonly retryAfter?: number;
  /** How many requests it meets; one without. */
  readonly times?: number;
}

export interface Faults {
  add(rule: FaultRule): void;
  /** The first rule that meets the request, used up by one. */
  take(route: string, form: Form): FaultRule | undefined;
  clear(): void;
}

export function createFaults(): Faults {
  let rules: { readonly rule: FaultRule; left: number }[] = [];
  return {
    add: (rule) => {
      rules.push({ rule, left: rule.times ?? 1 });
    },
    take: (route, form) => {
      const met = rules.find(({ rule }) => meets(rule, route, form));
      if (met === undefined) return undefined;
      met.left -= 1;
      rules = rules.filter(({ left }) => left > 0);
      return met.rule;
    },
    clear: () => {
      rules = [];
    },
  };
}

function meets({ route: wanted, where = {} }: FaultRule, route: string, form: Form): boolean {
  if (wanted !== undefined && wanted !== route) return false;
  return Object.entries(where).every(([name, value]) => textIn(form, name) === value);
}
