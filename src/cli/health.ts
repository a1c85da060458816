/**
 * `app health`: asks the server that runs with the same settings how it is, for a container engine's
 * health check in an image that holds nothing else to ask with.
 */
import { get } from "node:http";
import type { Config } from "../config.ts";
import { ExitError } from "./exit.ts";
import { ownAddress } from "./own-address.ts";

/** Below the time-out of the image's health check. */
const limitMs = 4_000;

export async function runHealth(config: Config, { live }: { live?: boolean }): Promise<void> {
  if (config.PORT === 0) throw new ExitError(2, "PORT is 0: only the server knows what it picked");
  const url = `${ownAddress(config.HOST, config.PORT)}${live ? "/healthz" : "/readyz"}`;
  const { status, body } = await ask(url).catch((error: unknown) => {
    const why = error instanceof Error ? error.message : String(error);
    throw new ExitError(1, `${url} does not answer: ${why}. --port (PORT) says where to ask`);
  });
  process.stdout.write(`${body}\n`);
  if (status !== 200) throw new ExitError(1, `${url} answered ${status}`);
}

/** Not by fetch: that would ask the proxy of the environment for an address of this machine. */
function ask(url: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const request = get(url, { signal: AbortSignal.timeout(limitMs) }, (response) => {
      const parts: Buffer[] = [];
      response.on("data", (part: Buffer) => parts.push(part));
      response.on("error", reject);
      response.on("end", () => {
        const body = Buffer.concat(parts).toString("utf8");
        resolve({ status: response.statusCode ?? 0, body });
      });
    });
    request.on("error", reject);
  });
}
