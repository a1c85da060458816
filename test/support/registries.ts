/**
 * The schema registries that can be tested here: ours in this process always, and that of the Go
 * client franz-go where Go can build it.
 */
import { buildGo } from "./go-programs.ts";
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

const goProgram = await buildGo({
  module: "srfake",
  untested: "a schema registry that is not ours",
});

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
