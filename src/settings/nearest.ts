/** Which of the known words was meant by one that is none of them. */

const farthest = 2;

/** The nearest within two letters, where they are at most half of the word's. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const away = known.map((one) => ({ one, letters: distance(word, one) }));
  const [best] = away.sort((a, b) => a.letters - b.letters);
  const near = best !== undefined && best.letters <= farthest && best.letters * 2 <= word.length;
  return near ? best.one : undefined;
}

/** Of settings, however it is written: `port` and `data-dir` mean PORT and DATA_DIR. */
export function nearestSetting(name: string, known: readonly string[]): string | undefined {
  return nearest(name.toUpperCase().replaceAll("-", "_"), known);
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
