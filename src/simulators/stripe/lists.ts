/** Stripe's lists: newest first, filtered, cut into pages by the id of the last item seen. */
import { type Book, shown } from "./book.ts";
import { type Form, formIn, listIn, textIn } from "./form.ts";
import type { StripeEvent, StripeObject } from "./objects.ts";
import { invalid } from "./refusal.ts";

type Listed = StripeObject | StripeEvent;

export function pageOf(
  book: Book,
  newestFirst: readonly Listed[],
  form: Form,
  url: string,
): object {
  const limit = Number(textIn(form, "limit") ?? "10");
  if (!(limit >= 1 && limit <= 100)) throw invalid("limit");
  const created = formIn(form, "created");
  const least = Number(textIn(created, "gte") ?? "0");
  const below = Number(textIn(created, "lt") ?? "Infinity");
  const inTime = newestFirst.filter((item) => item.created >= least && item.created < below);
  const after = textIn(form, "starting_after");
  const start = after === undefined ? 0 : inTime.findIndex(({ id }) => id === after) + 1;
  if (after !== undefined && start === 0) throw invalid("starting_after");
  const page = inTime.slice(start, start + limit);
  const paths = listIn(form, "expand").map((path) => path.replace(/^data\./, ""));
  const data = page.map((item) =>
    item.object === "event" ? item : expanded(book, shown(book, item), paths),
  );
  return { object: "list", url, has_more: start + limit < inTime.length, data };
}

/** `a.b`: the object a names instead of its id, and in it the one that b names. */
export function expanded(book: Book, object: object, paths: readonly string[]): object {
  const copy: Record<string, unknown> = { ...object };
  for (const path of paths) {
    const [name = "", ...rest] = path.split(".");
    const there = copy[name];
    const named = typeof there === "string" ? book.objects.get(there) : undefined;
    const inner = named ? shown(book, named) : there;
    if (typeof inner !== "object" || inner === null) continue;
    copy[name] = expanded(book, inner, rest.length > 0 ? [rest.join(".")] : []);
  }
  return copy;
}
