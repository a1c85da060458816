/** What a command answers on stdout: lines for people, or the same as one JSON object. */
import { explain } from "./exit.ts";

export function say(options: { readonly json?: boolean }, data: object, text: () => string): void {
  process.stdout.write(options.json ? `${JSON.stringify(data)}\n` : text());
}

/** Whoever reads what a command prints may have seen enough, as `head` has. */
export function endWithReader(): void {
  process.stdout.once("error", (error) => process.exit(explain(error).code));
}

export function printed(lines: readonly string[], more: boolean, none: string): string {
  const last = more ? ["… and more: narrow it down, or raise --limit"] : [];
  const all = lines.length === 0 ? [none] : [...lines, ...last];
  return `${all.map(printable).join("\n")}\n`;
}

/** Keys, types and causes are a stranger's words: none of them may steer the terminal. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, (sign) => (sign === "\n" ? sign : "\uFFFD"));
}
