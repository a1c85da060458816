/**
 * The sale in README.md, run as a reader would: the lines between its marks go to bash as they
 * stand, in a folder where `dist/app` is the program.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../../scripts/process.ts";
import type { Place } from "./binary.ts";
import type { Environment } from "./processes.ts";

function readmeSale(): string {
  const readme = readFileSync(join(root, "README.md"), "utf8");
  const [, marked] = /<!-- sale -->\n([\s\S]*?)<!-- \/sale -->/.exec(readme) ?? [];
  const lines = (marked ?? "").split("\n").filter((line) => !line.startsWith("```"));
  if (!lines.some((line) => line.startsWith("curl "))) throw new Error("README.md has no sale");
  return lines.join("\n");
}

export interface Shown {
  readonly escrowId: string;
  readonly state: string;
  readonly funds: Readonly<Record<string, string>>;
}

/** What the last line of the sale shows. Another name is another sale: its keys are idempotency keys. */
export async function runReadmeSale(
  { folder }: Place,
  url: string,
  env: Environment = {},
  name = "sale-$(date +%s)",
): Promise<Shown> {
  const child = Bun.spawn(["bash", "-c", readmeSale().replace("sale-$(date +%s)", () => name)], {
    cwd: folder,
    env: { PATH: "/usr/local/bin:/usr/bin:/bin", HOME: folder, ...env, URL: url },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  const last = out.lastIndexOf('{"escrowId"');
  if (code !== 0 || err !== "" || last < 0)
    throw new Error(`bash ended with ${code}: ${out}${err}`);
  return JSON.parse(out.slice(last)) as Shown;
}

/** 10000 less the seller's fee of 50; the buyer's fee of 320 came on top. */
export const fundsOfSale = {
  funded: "10320",
  pending: "0",
  held: "0",
  reserved: "0",
  released: "9950",
  refunded: "0",
  fees: "370",
  chargedBack: "0",
  blocked: "0",
} as const;
