/**
 * The program as a fleet of processes, one role each, with a supervisor's duty done by the test: a
 * killed member comes back as a new process on a new port.
 */
import type { Place } from "./binary.ts";
import { type AppProcess, type Environment, startApp } from "./processes.ts";

export interface Member {
  readonly role: string;
  app: AppProcess;
  url: string;
  /** Started, and neither killed nor told to stop. */
  up: boolean;
}

export interface Fleet {
  readonly members: readonly Member[];
  /** The address of the first member with this role that is up, as of now. */
  url(role: string): string;
  /** kill -9; a new process after a pause. Resolves once that one is ready. */
  killAndRestart(member: Member, pauseMs: number): Promise<void>;
  /** A new process in a member's place. Resolves once it is ready. */
  start(member: Member): Promise<void>;
  /** SIGTERM; resolves once it has ended in order. */
  leave(member: Member): Promise<void>;
  /** SIGTERM to each, one after the other; how each ended. */
  stop(): Promise<readonly { role: string; code: number; ms: number }[]>;
  /** What the members complained about, for messages. */
  complaints(): string;
}

/** Signs the tokens of a fleet's clients. */
export const fleetSecret = "a secret for this test, thirty-two bytes";

/** What each process of a fleet over these servers is told. */
export function fleetEnvironment(
  postgres: { readonly url: string },
  kafka: { readonly brokers: string },
): Record<string, string> {
  return {
    DATABASE_URL: postgres.url,
    KAFKA_BROKERS: kafka.brokers,
    JWT_SECRET: fleetSecret,
    DATA_KEY: Buffer.alloc(32, 7).toString("base64"),
    RATE_LIMIT_PER_SECOND: "100000",
    LOG_LEVEL: "warn",
  };
}

export async function startFleet(
  place: Place,
  roles: readonly string[],
  env: Environment,
): Promise<Fleet> {
  const launch = (role: string) => startApp(place, [`--role=${role}`, "--port", "0"], env);
  const started = roles.map((role) => ({ role, app: launch(role), url: "", up: true }));
  const all: AppProcess[] = started.map(({ app }) => app);
  const members: readonly Member[] = await Promise.all(
    started.map(async (member) => ({ ...member, url: await member.app.ready(60_000) })),
  );
  const start = async (member: Member): Promise<void> => {
    member.app = launch(member.role);
    all.push(member.app);
    member.url = await member.app.ready(60_000);
    member.up = true;
  };
  return {
    members,
    start,
    url: (role) => members.find((member) => member.role === role && member.up)?.url ?? "",
    async killAndRestart(member, pauseMs) {
      member.up = false;
      await member.app.kill();
      await Bun.sleep(pauseMs);
      await start(member);
    },
    async leave(member) {
      member.up = false;
      const { code } = await member.app.stop();
      if (code !== 0) throw new Error(`${member.role} ended with ${code}`);
    },
    async stop() {
      const ends: { role: string; code: number; ms: number }[] = [];
      for (const { role, app } of members) ends.push({ role, ...(await app.stop()) });
      return ends;
    },
    complaints: () =>
      all.map((app) => `--- ${app.name} (${app.pid})\n${app.stderr().slice(-2_000)}`).join("\n"),
  };
}
