/** Runs a server until a signal: banner, the ready line, drain; a second signal ends at once. */

import { createLogger } from "#platform/telemetry/logger";
import type { Config } from "../config.ts";
import { servesModules } from "../roles.ts";
import { clockView } from "../test-clock/clock-view.ts";
import { type Server, startServer } from "./serve.ts";
import { mint } from "./token.ts";

const demoTokenSeconds = 12 * 3_600;

export async function runServe(config: Config): Promise<never> {
  const logger = createLogger({
    level: config.LOG_LEVEL,
    pretty: config.LOG_FORMAT ? config.LOG_FORMAT === "pretty" : process.stderr.isTTY === true,
    fields: { role: config.APP_ROLE.join(",") },
  });
  process.on("unhandledRejection", (error) => {
    logger.error({ err: error }, "a promise was rejected and nobody looked: ending");
    process.exit(1);
  });
  const server = await startServer(config, logger);
  const ended = untilEnd(server);
  process.stdout.write(await banner(config, server));
  const up = await Promise.race([server.ready().then(() => true), ended.then(() => false)]);
  if (up) process.stdout.write(`ready ${server.url}\n`);
  const reason = await ended;
  if (reason.lost) logger.error({ reason: reason.lost }, "a worker is lost: ending");
  const drained = await server.stop();
  process.exit(reason.lost || !drained ? 1 : 0);
}

/** Resolves at the first signal, or when a worker is lost; a second signal ends the process. */
function untilEnd(server: Server): Promise<{ lost?: string }> {
  return new Promise((resolve) => {
    let signals = 0;
    const onSignal = () => {
      signals += 1;
      if (signals > 1) process.exit(1);
      resolve({});
    };
    process.on("SIGTERM", onSignal);
    process.on("SIGINT", onSignal);
    void server.lost.then((lost) => resolve({ lost }));
  });
}

type Told = Pick<Server, "url" | "place" | "tokenSecret" | "clock">;

/** What a process says of itself as it starts; an address only of what is served there. */
export async function banner(config: Config, server: Told): Promise<string> {
  const { url, place, tokenSecret } = server;
  const lines = [
    `app ${config.APP_ROLE.join(",")}`,
    ...(servesModules(config)
      ? [`  API      ${url}`, `  docs     ${url}/docs  ${url}/openapi.json`]
      : []),
    `  health   ${url}/healthz  ${url}/readyz`,
    `  metrics  ${url}/metrics`,
    `  data     ${place}`,
    `  log      ${config.kafka ? `Kafka at ${config.KAFKA_BROKERS?.join(", ")}` : "tables of the database"}`,
    ...clockLine(server),
    "  stop     Ctrl-C",
  ];
  const steps =
    tokenSecret && config.APP_ROLE.includes("all")
      ? await firstSteps(config, url, tokenSecret)
      : [];
  return `${[...lines, ...steps].join("\n")}\n`;
}

/** Only a clock that was moved is worth a line. */
function clockLine({ clock }: Told): string[] {
  if (clock.offsetMs() === 0n) return [];
  const { now, ahead } = clockView(clock);
  return [`  clock    ${now}: the test clock is ${ahead} ahead`];
}

/** Three commands to paste; their tokens are good for this server's data only. */
async function firstSteps(config: Config, url: string, secret: string): Promise<string[]> {
  const alice = await mint(config, secret, "alice", ["buyer"], demoTokenSeconds);
  const bob = await mint(config, secret, "bob", ["seller"], demoTokenSeconds);
  // Nobody else can make one for what is only in memory; what needs two operators needs two.
  const operators = config.MEMORY ? ["root", "second"] : [];
  const admins = operators.map(async (operator) => {
    const token = await mint(config, secret, operator, ["admin"], demoTokenSeconds);
    return `  ${operator.padEnd(7)}  ${token}`;
  });
  // Of this start: pasted after another one it proposes another deal.
  const key = `try-${Date.now().toString(36)}`;
  const json = `-H 'Content-Type: application/json'`;
  const body = `{"buyerId":"alice","sellerId":"bob","title":"A used lens","amount":{"amount":"10000","currency":"USD"}}`;
  return [
    "  try      (alice buys, bob sells; README.md goes on to the release)",
    `    curl -s ${url}/v1/escrows -H 'Authorization: Bearer ${alice}' -H 'Idempotency-Key: ${key}' -H 'Prefer: wait=5' ${json} -d '${body}'`,
    `    curl -s ${url}/v1/escrows -H 'Authorization: Bearer ${alice}'`,
    `    curl -s ${url}/v1/escrows -H 'Authorization: Bearer ${bob}'`,
    ...(operators.length === 0 ? [] : ["  admins   (two, for what one may not do alone)"]),
    ...(await Promise.all(admins)),
  ];
}
