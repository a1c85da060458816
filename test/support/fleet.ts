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
}

export interface Fleet {
  readonly members: readonly Member[];
  /** The address of the first member with this role, as of now. */
  url(role: string): string;
  /** kill -9; a new process after a pause. Resolves once that one is ready. */
  killAndRestart(member: Member, pauseMs: number): Promise<void>;
  /** SIGTERM to each, one after the other; how each ended. */
  stop(): Promise<readonly { role: string; code: number; ms: number }[]>;
  /** What the members complained about, for messages. */
  complaints(): string;
}

export async function startFleet(
  place: Place,
  roles: readonly string[],
  env: Environment,
): Promise<Fleet> {
  const launch = (role: string) => startApp(place, [`--role=${role}`, "--port", "0"], env);
  const started = roles.map((role) => ({ role, app: launch(role), url: "" }));
  const all: AppProcess[] = started.map(({ app }) => app);
  const members: readonly Member[] = await Promise.all(
    started.map(async (member) => ({ ...member, url: await member.app.ready(60_000) })),
  );
  return {
    members,
    url: (role) => members.find((member) => member.role === role)?.url ?? "",
    async killAndRestart(member, pauseMs) {
      await member.app.kill();
      await Bun.sleep(pauseMs);
      member.app = launch(member.role);
      all.push(member.app);
      member.url = await member.app.ready(60_000);
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
