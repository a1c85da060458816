import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  assertDataDirWritable,
  DataDirForeign,
  DataDirLocked,
  dataDirOwner,
  lockDataDir,
} from "./data-dir.ts";

const program = join(
  import.meta.dir,
  "..",
  "..",
  "..",
  "test",
  "support",
  "lock-holder.program.ts",
);
const children = new Set<Bun.Subprocess>();
let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "data-dir-"));
});
afterEach(async () => {
  for (const child of children) {
    child.kill();
    await child.exited;
  }
  children.clear();
  rmSync(dir, { recursive: true });
});

interface Holder {
  readonly pid: number;
  /** What it said first: "locked PID" or "refused PID URL". */
  readonly answer: string;
  say(line: string): Promise<string>;
  kill(): Promise<void>;
}

async function startHolder(): Promise<Holder> {
  const child = Bun.spawn([process.execPath, program, dir], { stdin: "pipe", stdout: "pipe" });
  children.add(child);
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const next = async (): Promise<string> => ((await lines.read()).value ?? "").trim();
  return {
    pid: child.pid,
    answer: await next(),
    say: async (line) => {
      child.stdin.write(`${line}\n`);
      await child.stdin.flush();
      return next();
    },
    kill: async () => {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}

async function refusal(): Promise<DataDirLocked> {
  try {
    await lockDataDir(dir);
  } catch (error) {
    if (error instanceof DataDirLocked) return error;
    throw error;
  }
  throw new Error("expected to be refused");
}

const lockFile = (): string => join(dir, "lock.json");

/** What lies there is nobody's; it becomes ours, keeps others out, and goes when we do. */
async function expectTakenOver(): Promise<void> {
  expect(dataDirOwner(dir)).toBeUndefined();
  const lock = await lockDataDir(dir);
  expect(dataDirOwner(dir)?.pid).toBe(process.pid);
  expect((await refusal()).pid).toBe(process.pid);
  lock.release();
  expect(existsSync(lockFile())).toBe(false);
}

describe("the lock of a data folder", () => {
  test("is given once, and again after its release", async () => {
    const again = await lockDataDir(dir);
    expect((await refusal()).pid).toBe(process.pid);
    again.release();
    (await lockDataDir(dir)).release();
    const lock = await lockDataDir(join(dir, "made", "on", "the", "way"));
    lock.release();
    lock.release();
    expect(readdirSync(dir)).toEqual(["lock", "made"]);
  });

  test("refuses a second process, naming the owner and where it answers", async () => {
    const holder = await startHolder();
    expect(holder.answer).toBe(`locked ${holder.pid}`);
    expect(await refusal()).toMatchObject({ pid: holder.pid, url: undefined });
    await holder.say("url http://127.0.0.1:8080");
    expect(await refusal()).toMatchObject({ pid: holder.pid, url: "http://127.0.0.1:8080" });
    expect(dataDirOwner(dir)).toMatchObject({ pid: holder.pid, url: "http://127.0.0.1:8080" });
    await holder.say("release");
    (await lockDataDir(dir)).release();
  });

  test("is taken over from a process that was killed", async () => {
    const holder = await startHolder();
    await holder.kill();
    expect(existsSync(lockFile())).toBe(true);
    expect(dataDirOwner(dir)).toBeUndefined();
    (await lockDataDir(dir)).release();
  });

  test("is taken over from a killed process that its parent has not asked for", async () => {
    // The shell becomes a program that asks for no child.
    const script = `"$0" "$1" "$2" < /dev/zero > /dev/null & echo $!; exec sleep 60`;
    const args = ["bash", "-c", script, process.execPath, program, dir];
    const parent = Bun.spawn(args, { stdout: "pipe" });
    children.add(parent);
    for await (const text of parent.stdout.pipeThrough(new TextDecoderStream())) {
      const pid = Number(text.trim());
      while (dataDirOwner(dir)?.pid !== pid) await Bun.sleep(20);
      process.kill(pid, "SIGKILL");
      while (!/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"))) await Bun.sleep(20);
      break;
    }
    await expectTakenOver();
  });

  test("is taken over when the killed owner holds the folder a moment longer", async () => {
    const holder = await startHolder();
    const dead = { pid: 2 ** 22 + 1, token: "killed" };
    writeFileSync(lockFile(), JSON.stringify(dead));
    const lock = lockDataDir(dir);
    await Bun.sleep(1_500);
    await holder.kill();
    (await lock).release();
  }, 30_000);

  test("is taken over when the owner's id belongs to another process by now", async () => {
    const left = { pid: process.ppid, start: "another boot:1", token: "of an earlier start" };
    writeFileSync(lockFile(), JSON.stringify(left));
    const lock = await lockDataDir(dir);
    expect(JSON.parse(readFileSync(lockFile(), "utf8")).pid).toBe(process.pid);
    lock.release();
  });

  test("with this process's own id is a leftover: in a container every start has the same", async () => {
    writeFileSync(lockFile(), JSON.stringify({ pid: process.pid, token: "of an earlier start" }));
    await expectTakenOver();
  });

  test("holds against a process that its owner cannot be seen from, as from another container", async () => {
    const holder = await startHolder();
    writeFileSync(lockFile(), JSON.stringify({ pid: process.pid, token: "first in there, too" }));
    expect((await refusal()).pid).toBe(process.pid);
    await holder.kill();
    (await lockDataDir(dir)).release();
  }, 30_000);

  test("that is damaged belongs to nobody", async () => {
    writeFileSync(lockFile(), '{"pid":');
    await expectTakenOver();
  });

  test("is not removed by an owner that lost it", async () => {
    const first = await lockDataDir(dir);
    writeFileSync(lockFile(), JSON.stringify({ pid: 1, token: "somebody else's" }));
    first.release();
    expect(existsSync(lockFile())).toBe(true);
  });

  test("over a stale one waits while another process is taking it over", async () => {
    const taking = `${lockFile()}.takeover`;
    const stale = JSON.stringify({ pid: 2 ** 22 + 1, token: "dead" });
    writeFileSync(lockFile(), stale);
    writeFileSync(taking, JSON.stringify({ pid: process.ppid, token: "alive" }));
    const lock = lockDataDir(dir);
    await Bun.sleep(150);
    expect(readFileSync(lockFile(), "utf8")).toBe(stale);
    rmSync(taking);
    (await lock).release();
  });

  test("over a stale one is taken though whoever began to died of it", async () => {
    const dead = JSON.stringify({ pid: 2 ** 22 + 1, token: "dead" });
    writeFileSync(lockFile(), dead);
    writeFileSync(`${lockFile()}.takeover`, dead);
    (await lockDataDir(dir)).release();
    expect(readdirSync(dir)).toEqual(["lock"]);
  });

  test("over a stale one goes to exactly one of many that want it", async () => {
    for (let round = 0; round < 3; round += 1) {
      writeFileSync(lockFile(), JSON.stringify({ pid: 2 ** 22 + 1, token: "dead" }));
      const racers = await Promise.all(Array.from({ length: 6 }, startHolder));
      const winners = racers.filter(({ answer }) => answer.startsWith("locked"));
      expect(winners).toHaveLength(1);
      const [winner] = winners;
      for (const { answer } of racers) {
        if (answer !== winner?.answer) expect(answer).toBe(`refused ${winner?.pid}`);
      }
      await winner?.say("release");
    }
  }, 30_000);
});

describe("a folder that somebody else has files in", () => {
  test("is refused by a lock and by a check, and left as it was", async () => {
    writeFileSync(join(dir, "thesis.txt"), "years of work");
    for (const take of [lockDataDir, assertDataDirWritable]) {
      const taken = Promise.try<unknown, [string]>(take, dir);
      expect(await taken.catch((error: unknown) => error)).toEqual(
        new DataDirForeign(dir, "thesis.txt"),
      );
    }
    expect(readdirSync(dir)).toEqual(["thesis.txt"]);
  });

  test.each(["lock", "lock.json.1f", "secrets.json.77", "pg.unpacking", "pg"])(
    "is ours where a start of ours left %s in it, killed as early as that",
    async (name) => {
      writeFileSync(join(dir, "notes.txt"), "");
      writeFileSync(join(dir, name), "");
      (await lockDataDir(dir)).release();
    },
  );

  test("is a new disk's where nothing but lost+found and hidden files are in it", async () => {
    for (const name of ["lost+found", ".gitkeep"]) writeFileSync(join(dir, name), "");
    (await lockDataDir(dir)).release();
  });
});
