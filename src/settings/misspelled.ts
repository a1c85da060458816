/**
 * Names of the environment that are nearly a setting's. The environment holds other programs' names
 * too, so none is refused; but a limit that is misspelled is a limit that is off.
 */

export interface Misspelled {
  readonly name: string;
  readonly meant: string;
}

const shortest = 8;
const farthest = 2;

export function misspelled(
  environment: Readonly<Record<string, string | undefined>>,
  settings: readonly string[],
): Misspelled[] {
  const known = new Set(settings.flatMap((name) => [name, `${name}_FILE`]));
  return Object.keys(environment)
    .filter((name) => name.length >= shortest && !known.has(name))
    .flatMap((name) => {
      const meant = settings.find((setting) => distance(name, setting) <= farthest);
      return meant === undefined ? [] : [{ name, meant }];
    });
}

/** How many letters to add, leave out or change (Levenshtein); more than `farthest` counts as such. */
function distance(from: string, to: string): number {
  if (Math.abs(from.length - to.length) > farthest) return farthest + 1;
  let row = Array.from({ length: to.length + 1 }, (_, at) => at);
  for (const [i, letter] of [...from].entries()) {
    const next = [i + 1];
    for (const [j, other] of [...to].entries()) {
      const changed = (row[j] ?? 0) + (letter === other ? 0 : 1);
      next.push(Math.min(changed, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
