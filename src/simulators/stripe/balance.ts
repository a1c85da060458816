/** GET /v1/balance: the platform's own, or a connected account's, as the book's lines have it. */
import { all, type Book, get, platformAvailable, platformPending } from "./book.ts";

/** What the float is shown in while nothing was paid. */
const firstCurrency = "usd";

export function balance(book: Book, account: string | undefined): object {
  const { available, pending } = account === undefined ? platform(book) : connected(book, account);
  return { object: "balance", available, pending, livemode: book.live };
}

function platform(book: Book) {
  const used = all(book, "balance_transaction").map(({ currency }) => currency);
  const currencies = [...new Set([firstCurrency, ...used])].sort();
  const shown = (sum: (book: Book, currency: string) => number) =>
    currencies.map((currency) => ({ amount: sum(book, currency), currency }));
  return { available: shown(platformAvailable), pending: shown(platformPending) };
}

function connected(book: Book, account: string) {
  const { id } = get(book, "account", account);
  const available = [...book.available].flatMap(([key, amount]) => {
    const [owner, currency = ""] = key.split(" ");
    return owner === id ? [{ amount, currency }] : [];
  });
  return { available, pending: available.map(({ currency }) => ({ amount: 0, currency })) };
}
