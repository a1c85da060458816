/**
 * Stripe's form encoding: `metadata[a]=1&expand[]=x&items[0][b]=2` becomes an object, all leaves
 * text, as they arrive.
 */
export type Form = { readonly [name: string]: FormValue };
export type FormValue = string | Form | readonly FormValue[];

type Draft = { [name: string]: string | Draft };

export function decodeForm(text: string): Form {
  const draft: Draft = {};
  for (const [name, value] of new URLSearchParams(text)) place(draft, pathOf(name), value);
  return finished(draft) as Form;
}

/** `a[b][]` is a, b, "". */
function pathOf(name: string): readonly string[] {
  const [head = "", ...rest] = name.split("[");
  return [head, ...rest.map((part) => part.replace(/\]$/, ""))];
}

function place(draft: Draft, path: readonly string[], value: string): void {
  const [head = "", ...rest] = path;
  const name = head === "" ? String(Object.keys(draft).length) : head;
  if (rest.length === 0) {
    draft[name] = value;
    return;
  }
  const there = draft[name];
  const inner = typeof there === "object" ? there : {};
  draft[name] = inner;
  place(inner, rest, value);
}

/** Objects whose names are 0, 1, 2 … were lists. */
function finished(draft: Draft): FormValue {
  const entries = Object.entries(draft).map(
    ([name, value]) => [name, typeof value === "string" ? value : finished(value)] as const,
  );
  const isList = entries.length > 0 && entries.every(([name], index) => name === String(index));
  return isList ? entries.map(([, value]) => value) : Object.fromEntries(entries);
}

export function textIn(form: Form, name: string): string | undefined {
  const value = form[name];
  return typeof value === "string" && value !== "" ? value : undefined;
}

export function formIn(form: Form, name: string): Form {
  const value = form[name];
  return typeof value === "object" && !Array.isArray(value) ? (value as Form) : {};
}

export function listIn(form: Form, name: string): readonly string[] {
  const value = form[name];
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}
