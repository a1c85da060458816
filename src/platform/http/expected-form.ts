/** A pattern of the proto in words: what was sent is refused with what would be taken. */

const known: readonly (readonly [RegExp, string])[] = [
  [
    /^\^?\(?P\[0-9WDTHMS\]/,
    "Must be an ISO 8601 duration in weeks, days or less, such as P7D or PT12H.",
  ],
  [
    /\[\*\]\|read\|/,
    'Must be "read", "*", or a scope such as escrows:release, escrows:* or parties:write.',
  ],
  [/^\[A-Z\]\{3,\d\}$/, "Must be a currency's code such as USD."],
  [/^\[A-Z\]\{2\}$/, "Must be a country's code of two capitals, such as DE."],
  [/^\[0-9a-f\]\{64\}$/, "Must be 64 hexadecimal digits: a SHA-256."],
  [
    /^-\?\[1-9\]\[0-9\]\{0,1\d\}$/,
    "Must be a whole number of minor units, not 0, as a string; it may be negative.",
  ],
  [
    /^(\(?\|?(?:0\|)?)?\[1-9\]\[0-9\]\{0,1\d\}\)?$/,
    "Must be a whole number of minor units, as a string such as 10000.",
  ],
  [/^\[1-9\]\[0-9\]\{0,\d\}$/, "Must be a whole number from 1, as a string."],
  [/^\|0\|\[1-9\]\[0-9\]\?\|100$/, "Must be a whole number from 0 to 100, as a string."],
  [/^\[0-9\]\{1,4\}\(\[\.\]/, "Must be a number such as 12 or 12.50, as a string."],
  [/^https:/, "Must be a URL that begins with https://, without spaces."],
  [/^\[A-Za-z0-9 \.,_-\]/, "Must be letters, digits, spaces and . , _ - only."],
  [/^\[A-Za-z0-9_\.\/-\]/, "Must be letters, digits and _ . / - only."],
  [/^\[a-z\]\{1,32\}\/\[0-9\]/, "Must be an id such as escrow/17."],
  [/^https\?:/, "Must be a URL that begins with https:// or http://."],
  [/^\[A-Za-z0-9_\.@:-\]/, "Must be an id: letters, digits and _ . @ : - only."],
  [/^\[A-Za-z0-9_-\]/, "Must be an id: letters, digits, _ and - only."],
  [/^\[a-z\]/, "Must be a name in small letters."],
  [/^\[a-z_\]/, "Must be a name in small letters and _."],
];

const choice = /^\|?([A-Za-z_]+(?:\|[A-Za-z_]+)+)$/;

export function expectedForm(pattern: string): string {
  // What may be empty is asked for as what it is.
  const optional = /^\^\((.*)\)\?\$$/.exec(pattern)?.[1];
  const bare = optional ?? pattern.replace(/^\^/, "").replace(/\$$/, "");
  const inside = /^\((.*)\)$/.exec(bare)?.[1] ?? bare;
  const words = choice.exec(inside)?.[1];
  if (words !== undefined) return `Must be one of ${words.split("|").join(", ")}.`;
  const found = known.find(([form]) => form.test(bare) || form.test(inside));
  return found?.[1] ?? `Must have the form ${pattern}.`;
}
