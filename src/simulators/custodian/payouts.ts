/** What leaves the simulated custodian: never more of an address than became final on it. */
import { type Book, depositAddressIn } from "./book.ts";
import type { DepositAddress, PayoutAddress, Withdrawal } from "./objects.ts";
import { Refusal } from "./refusal.ts";

export function withdraw(
  book: Book,
  asked: Omit<Withdrawal, "id" | "status" | "code" | "networkFee" | "block" | "decimals">,
): Withdrawal {
  const source = depositAddressIn(book, asked.source);
  if (asked.kind === "payout" && book.payoutAddresses.get(asked.to)?.status !== "approved") {
    throw new Refusal(422, "ADDRESS_NOT_APPROVED");
  }
  if (available(book, source, asked.token) < BigInt(asked.amount)) {
    throw new Refusal(422, "INSUFFICIENT_FUNDS");
  }
  const decimals = source.deposits.find(({ token }) => token === asked.token)?.decimals ?? 6;
  const made: Withdrawal = {
    ...asked,
    decimals,
    id: book.idOf("wdr"),
    status: "pending",
    code: "",
    networkFee: null,
    block: book.head + 1,
  };
  book.withdrawals.set(made.id, made);
  return made;
}

function available({ withdrawals }: Book, { id, deposits }: DepositAddress, token: string): bigint {
  const arrived = deposits
    .filter((deposit) => deposit.status === "final" && deposit.token === token)
    .reduce((sum, { amount }) => sum + BigInt(amount), 0n);
  const drawn = [...withdrawals.values()]
    .filter((w) => w.source === id && w.token === token && w.status !== "failed")
    .reduce((sum, { amount }) => sum + BigInt(amount), 0n);
  return arrived - drawn;
}

/** A withdrawal whose block is deep enough ends, one way or the other. */
export function settle(book: Book, withdrawal: Withdrawal): void {
  const { id, block, to, token, decimals, kind: category } = withdrawal;
  const deep = book.head - block + 1 >= book.settings.withdrawalConfirmations;
  if (withdrawal.status !== "pending" || !deep) return;
  const code = book.failing.get(to);
  if (code !== undefined) {
    withdrawal.status = "failed";
    withdrawal.code = code;
    book.tell("withdrawal.failed", id);
    return;
  }
  withdrawal.status = "final";
  const fee = book.settings.networkFee.toString();
  withdrawal.networkFee = fee;
  const amount = (-BigInt(withdrawal.amount)).toString();
  book.move({ objectId: id, category, amount, fee, token, decimals });
  book.tell("withdrawal.final", id);
}

/** An address belongs to one party. */
export function register(book: Book, address: string, party: string): PayoutAddress {
  const there = book.payoutAddresses.get(address);
  if (there !== undefined) {
    if (there.party !== party) throw new Refusal(422, "ADDRESS_TAKEN");
    return there;
  }
  const status = book.settings.approvesAddresses ? "approved" : "pending";
  const made: PayoutAddress = { address, party, status };
  book.payoutAddresses.set(address, made);
  return made;
}

export function judge(book: Book, address: string, status: PayoutAddress["status"]): void {
  const there = book.payoutAddresses.get(address);
  if (there === undefined) throw new Refusal(404, "NOT_FOUND");
  there.status = status;
  book.tell(`address.${status}`, address);
}
