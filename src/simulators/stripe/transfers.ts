/**
 * Transfers from a charge to a connected account, and reversals of them. A transfer succeeds or is
 * refused in the call; all transfers of a charge together are at most the charge; a reversal takes
 * only what the account has available.
 */
import {
  all,
  availableOf,
  type Book,
  credit,
  get,
  platformAvailable,
  post,
  unitsIn,
} from "./book.ts";
import { type Form, textIn } from "./form.ts";
import type { Account, Reversal, Transfer } from "./objects.ts";
import { metadataIn } from "./payments.ts";
import { invalid, Refusal } from "./refusal.ts";

export function createTransfer(book: Book, form: Form): Transfer {
  const amount = unitsIn(textIn(form, "amount"), "amount");
  const currency = textIn(form, "currency") ?? "";
  const destination = destinationOf(book, textIn(form, "destination") ?? "");
  const source = textIn(form, "source_transaction");
  const group = textIn(form, "transfer_group");
  const from =
    source === undefined
      ? drawOnBalance(book, { amount, currency, group })
      : drawOnCharge(book, source, { amount, currency, group });
  const id = book.id("tr");
  const line = post(book, { amount: -amount, currency, category: "transfer", source: id });
  const transfer = book.add<Transfer>({
    id,
    object: "transfer",
    created: book.seconds(),
    livemode: book.live,
    amount,
    amount_reversed: 0,
    currency,
    destination: destination.id,
    destination_payment: book.id("py"),
    ...from,
    reversed: false,
    balance_transaction: line.id,
    metadata: metadataIn(form),
  });
  credit(book, destination.id, currency, amount);
  book.say("transfer.created", transfer);
  return transfer;
}

interface Wanted {
  readonly amount: number;
  readonly currency: string;
  readonly group: string | undefined;
}

type Source = Pick<Transfer, "source_transaction" | "transfer_group">;

function drawOnCharge(book: Book, source: string, { amount, currency, group }: Wanted): Source {
  const charge = get(book, "charge", source);
  if (charge.status !== "succeeded") throw refused("The charge has not succeeded");
  if (charge.currency !== currency) throw refused("The currency is not the charge's");
  if (group !== undefined && group !== charge.transfer_group) throw invalid("transfer_group");
  const drawn = all(book, "transfer")
    .filter(({ source_transaction: from }) => from === charge.id)
    .reduce((total, transfer) => total + transfer.amount - transfer.amount_reversed, 0);
  if (drawn + amount > charge.amount) throw refused("More than the charge", "insufficient_funds");
  return { source_transaction: charge.id, transfer_group: charge.transfer_group };
}

/** The platform's own money: it says which escrow it is for, or nobody finds it again. */
function drawOnBalance(book: Book, { amount, currency, group }: Wanted): Source {
  if (group === undefined) throw invalid("transfer_group", "nobody would find it again");
  if (platformAvailable(book, currency) < amount)
    throw refused("Too little", "balance_insufficient");
  return { source_transaction: null, transfer_group: group };
}

function destinationOf(book: Book, id: string): Account {
  const account = book.objects.get(id);
  if (account?.object !== "account") {
    throw new Refusal(`No such destination: '${id}'`, {
      status: 400,
      code: "resource_missing",
      param: "destination",
    });
  }
  if (account.capabilities.transfers === "active") return account;
  throw new Refusal("The destination cannot receive transfers", {
    status: 400,
    code: "insufficient_capabilities_for_transfer",
    executed: true,
  });
}

function refused(message: string, code?: string): Refusal {
  return new Refusal(message, { status: 400, executed: true, ...(code && { code }) });
}

export function createReversal(book: Book, transferId: string, form: Form): Reversal {
  const transfer = get(book, "transfer", transferId);
  const left = transfer.amount - transfer.amount_reversed;
  const asked = textIn(form, "amount");
  const amount = asked === undefined ? left : unitsIn(asked, "amount");
  if (amount > left) throw refused("More than is left of the transfer");
  const { currency, destination } = transfer;
  if (availableOf(book, { id: destination }, currency) < amount) {
    throw refused("The account has too little available", "balance_insufficient");
  }
  const id = book.id("trr");
  const line = post(book, { amount, currency, category: "transfer_reversal", source: id });
  const reversal = book.add<Reversal>({
    id,
    object: "transfer_reversal",
    created: book.seconds(),
    amount,
    currency,
    transfer: transferId,
    balance_transaction: line.id,
    metadata: metadataIn(form),
    source_refund: null,
    destination_payment_refund: null,
  });
  transfer.amount_reversed += amount;
  transfer.reversed = transfer.amount_reversed === transfer.amount;
  credit(book, destination, currency, -amount);
  book.say("transfer.reversed", transfer);
  return reversal;
}

export function reversalOf(book: Book, transferId: string, id: string): Reversal {
  const reversal = get(book, "transfer_reversal", id);
  return reversal.transfer === transferId ? reversal : get(book, "transfer_reversal", "");
}
