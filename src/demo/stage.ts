/**
 * Sets up a story's world: the whole program in memory with a port of its own, the simulators beside
 * it, and a clock that moves all of them. Every story has its own world.
 */
import { mintToken } from "#platform/http/token";
import { silentLogger } from "#platform/telemetry/logger";
import { type Server, startServer } from "../cli/serve.ts";
import { loadConfig } from "../config.ts";
import type { Report } from "../invariants/run-checks.ts";
import { type Outside, startOutside } from "./outside.ts";
import { contains, type Person, type Stage, StoryBroken } from "./story.ts";

export interface StoryWorld {
  readonly stage: Stage;
  /** All invariants, when the story is over. */
  verify(): Promise<Report>;
  close(): Promise<void>;
}

/** `line` gets every sentence that was told. */
export async function openWorld(line: (sentence: string) => void): Promise<StoryWorld> {
  const jwtSecret = `${crypto.randomUUID()}${crypto.randomUUID()}`;
  const outside = startOutside();
  const environment = {
    MEMORY: "true",
    PORT: "0",
    JWT_SECRET: jwtSecret,
    DATA_KEY: Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64"),
    RATE_LIMIT_PER_SECOND: "100000",
    ...outside.settings,
  };
  const server = await startServer(loadConfig({ environment }, { serving: true }), silentLogger);
  await server.ready();
  outside.connect(server.url);
  return {
    stage: createStage({ server, outside, jwtSecret, line }),
    verify: () => server.application.verify(),
    async close() {
      await outside.stop();
      await server.stop();
    },
  };
}

interface StageDeps {
  readonly server: Server;
  readonly outside: Outside;
  readonly jwtSecret: string;
  readonly line: (sentence: string) => void;
}

function createStage({ server, outside, jwtSecret, line }: StageDeps): Stage {
  const as = (sub: string, ...roles: string[]): Person =>
    createPerson(server.url, tokenOf(jwtSecret, sub, roles));
  const settle = async (): Promise<void> => {
    // What the program asks of the outside may make the outside tell the program something.
    for (let round = 0; round < 3; round += 1) {
      await server.settle();
      await outside.goOn();
    }
    await advance("PT2S");
  };
  const advance = async (by: string): Promise<void> => {
    const answer = await as("operator", "admin").post("/sandbox/clock/advance", { by });
    if (answer.status !== 200) throw new StoryBroken(`time stands: ${JSON.stringify(answer.body)}`);
  };
  return {
    as,
    settle,
    async pass(duration) {
      await settle();
      outside.advance(duration);
      await advance(duration);
      await settle();
      line(`… ${duration} pass`);
    },
    play: outside.play,
    tell: line,
    expect(sentence, found, wanted) {
      if (contains(found, wanted)) line(sentence);
      else {
        const [told, shown] = [JSON.stringify(wanted), JSON.stringify(found)];
        throw new StoryBroken(`not so: ${sentence}\n  wanted ${told}\n  found  ${shown}`);
      }
    },
  };
}

async function tokenOf(secret: string, sub: string, roles: readonly string[]): Promise<string> {
  const key = new TextEncoder().encode(secret);
  return mintToken({ secret: key, sub, roles, issuer: "app", audience: "app", ttl: 3_600 });
}

function createPerson(url: string, token: Promise<string>): Person {
  async function call(path: string, init: RequestInit) {
    const headers = new Headers(init.headers);
    headers.set("Authorization", `Bearer ${await token}`);
    const response = await fetch(`${url}${path}`, { ...init, headers });
    const text = await response.text();
    return { status: response.status, body: text === "" ? undefined : JSON.parse(text) };
  }
  const headers = { "Content-Type": "application/json", Prefer: "wait=30" };
  return {
    get: (path) => call(path, {}),
    post: (path, body = {}) =>
      call(path, {
        method: "POST",
        headers: { ...headers, "Idempotency-Key": crypto.randomUUID() },
        body: JSON.stringify(body),
      }),
  };
}
