/**
 * Who acts by the command line without a token: the user of the machine, and the name he says is his.
 * It is written down as that, and is none of the two people that money takes.
 */
import type { Principal } from "#platform/module";

const mark = "unproven:";
/** Of a token's subject. */
const longest = 128;

export interface SaidOperator {
  /** Undefined where the system knows no name. */
  readonly user: string | undefined;
  readonly host: string;
  readonly named: string | undefined;
}

/** What the machine knows stands first: a long name cannot push it out. */
export function unprovenSubject({ user = "unknown", host, named }: SaidOperator): string {
  const where = host.replace(/[^A-Za-z0-9_.-]/g, "-").slice(0, 40);
  const says = named === undefined ? "" : `:says:${named}`;
  return `${mark}${user.slice(0, 40)}@${where}${says}`.slice(0, longest);
}

export function isProven({ subject }: Pick<Principal, "subject">): boolean {
  return !subject.startsWith(mark);
}
