/**
 * The schema registries that can be tested here: ours in this process always, and that of the Go
 * client franz-go where Go can build it. Where it cannot, that is said aloud.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root } from "../../scripts/process.ts";
import { startFakeRegistry } from "./schema-registry.ts";

export interface OpenRegistry {
  readonly url: string;
  close(): Promise<void>;
}

export interface RegistryKind {
  readonly name: string;
  /** `login`: user:password that every request must bear. */
  open(login?: string): Promise<OpenRegistry>;
}

const go = Bun.which("go", { PATH: `${process.env.PATH}:/usr/local/go/bin` });
const goProgram = go && (await buildGoRegistry(go));
if (!goProgram) {
  process.stderr.write(
    "\nNOT TESTED: a schema registry that is not ours (test/support/srfake), for want of Go or its module\n\n",
  );
}

export const registryKinds: readonly [RegistryKind, ...RegistryKind[]] = [
  {
    name: "our fake",
    open: async (login) => {
      const registry = startFakeRegistry(login === undefined ? {} : { login });
      return { url: registry.url, close: async () => registry.stop() };
    },
  },
  ...(goProgram ? [{ name: "srfake", open: (login?: string) => startGo(goProgram, login) }] : []),
];

async function buildGoRegistry(compiler: string): Promise<string | undefined> {
  const folder = mkdtempSync(join(tmpdir(), "srfake-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  const program = join(folder, "srfake");
  const build = Bun.spawn([compiler, "build", "-o", program, "."], {
    cwd: join(root, "test/support/srfake"),
    stdout: "ignore",
    stderr: "inherit",
    timeout: 120_000,
  });
  return (await build.exited) === 0 ? program : undefined;
}

async function startGo(program: string, login?: string): Promise<OpenRegistry> {
  const header = login && `Basic ${Buffer.from(login).toString("base64")}`;
  const child = Bun.spawn([program, ...(header ? [header] : [])], { stdout: "pipe" });
  const { value } = await child.stdout.getReader().read();
  return {
    url: Buffer.from(value ?? [])
      .toString()
      .trim(),
    async close() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}
