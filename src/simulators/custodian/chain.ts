/**
 * The toy chain under the simulated custodian: blocks are mined on request, a deposit is final after
 * its confirmations, a reorganisation takes blocks away with all that was in them.
 */
import { type Book, depositAddressIn, digestOf } from "./book.ts";
import type { Deposit, DepositAddress } from "./objects.ts";
import { settle } from "./payouts.ts";
import { Refusal } from "./refusal.ts";

export interface Incoming {
  /** The address it is sent from. */
  readonly from: string;
  readonly amount: bigint;
  /** Another token than the one that is waited for. */
  readonly token?: string;
  readonly decimals?: number;
}

export function openAddress(
  book: Book,
  asked: Omit<DepositAddress, "id" | "address" | "status" | "deposits">,
): DepositAddress {
  if (asked.chainId !== book.chainId) throw new Refusal(422, "CHAIN_UNSUPPORTED");
  const id = book.idOf("dpa");
  const address = `0x${digestOf(id).slice(0, 40)}`;
  const made: DepositAddress = { ...asked, id, address, status: "open", deposits: [] };
  book.addresses.set(id, made);
  return made;
}

export function closeAddress(book: Book, id: string): DepositAddress {
  const there = depositAddressIn(book, id);
  if (there.deposits.some(({ status }) => status !== "orphaned")) {
    throw new Refusal(422, "HAS_DEPOSITS");
  }
  there.status = "closed";
  return there;
}

/** A transfer to the address, in the next block. */
export function receive(book: Book, id: string, incoming: Incoming): Deposit {
  const there = depositAddressIn(book, id);
  const { token = there.token, decimals = 6, from, amount } = incoming;
  const depositId = book.idOf("dep");
  const deposit: Deposit = {
    id: depositId,
    txHash: `0x${digestOf(`transaction of ${depositId}`)}`,
    from,
    token,
    decimals,
    amount: amount.toString(),
    fee: token === there.token ? book.settings.depositFee.toString() : "0",
    block: book.head + 1,
    confirmations: 0,
    status: "seen",
    wasFinal: false,
  };
  there.deposits.push(deposit);
  book.tell("deposit.seen", there.id);
  return deposit;
}

export function mine(book: Book, blocks: number): void {
  for (let n = 0; n < blocks; n += 1) {
    book.head += 1;
    for (const address of book.addresses.values()) {
      for (const deposit of address.deposits) confirm(book, address, deposit);
    }
    for (const withdrawal of book.withdrawals.values()) settle(book, withdrawal);
  }
}

function confirm(book: Book, address: DepositAddress, deposit: Deposit): void {
  if (deposit.status === "orphaned" || deposit.block > book.head) return;
  deposit.confirmations = book.head - deposit.block + 1;
  if (deposit.status === "final" || deposit.confirmations < address.confirmations) return;
  deposit.status = "final";
  deposit.wasFinal = true;
  const { amount, fee, token, decimals } = deposit;
  book.move({ objectId: address.id, category: "deposit", amount, fee, token, decimals });
  book.tell("deposit.final", address.id);
}

/** The last `blocks` never were, also for what had been final in them. */
export function reorganise(book: Book, blocks: number): void {
  const first = book.head - blocks + 1;
  for (const address of book.addresses.values()) {
    for (const deposit of address.deposits) {
      if (deposit.block < first || deposit.status === "orphaned") continue;
      const { status } = deposit;
      deposit.status = "orphaned";
      deposit.confirmations = 0;
      if (status === "seen") book.tell("deposit.orphaned", address.id);
      else revert(book, deposit);
    }
  }
}

function revert(book: Book, { id: deposit, amount: units, token, decimals }: Deposit): void {
  const id = book.idOf("rvt");
  book.reversions.set(id, deposit);
  const amount = (-BigInt(units)).toString();
  const category = "deposit_reverted";
  book.move({ objectId: id, category, amount, fee: "0", token, decimals });
  book.tell("deposit.reverted", id);
}
