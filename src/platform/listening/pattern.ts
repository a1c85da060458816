/** Wildcards in names of topics and message types: `*` stands for any run of characters, dots included. */

export function isPattern(text: string): boolean {
  return text.includes("*");
}

export function matches(pattern: string, name: string): boolean {
  const [first = "", ...rest] = pattern.split("*");
  const last = rest.pop();
  if (last === undefined) return pattern === name;
  if (!name.startsWith(first)) return false;
  // Each part as early as it can be; the last one ends the name.
  let at = first.length;
  for (const part of rest) {
    const found = name.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return name.length - last.length >= at && name.endsWith(last);
}

/** By the full name ("escrow.v1.EscrowDisputed") or the short one ("EscrowDisputed"). */
export function matchesType(patterns: readonly string[] | undefined, type: string): boolean {
  if (patterns === undefined) return true;
  const short = type.slice(type.lastIndexOf(".") + 1);
  return patterns.some((pattern) => matches(pattern, type) || matches(pattern, short));
}
