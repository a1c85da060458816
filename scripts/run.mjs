/**
 * The way in for someone who has only Node.js: `npm start`, `npm test`, `npm run image` and
 * `npm run release` install what is missing (Bun at this repository's version first: it does the real install, from bun.lock), then hand over
 * to it. Plain Node.js 18 or newer, no dependency. Says one line per thing it does, all of it when
 * something fails.
 */
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const version = JSON.parse(read("package.json")).devDependencies.bun;
const say = (line) => process.stderr.write(`${line}\n`);

function read(name) {
  return readFileSync(join(root, name), "utf8");
}

function fail(what, { stdout = "", stderr = "", error }) {
  say(`${what} failed`);
  say(`${stdout}${stderr}${error ?? ""}`.trim());
  process.exit(1);
}

/** Quiet unless it fails. */
function step(what, command, args) {
  say(what);
  const options = { cwd: root, encoding: "utf8", maxBuffer: 1 << 28 };
  const done = spawnSync(command, args, options);
  if (done.status !== 0) fail(what, done);
}

function findBun() {
  const places = [join("node_modules"), join(".tools", "node_modules")];
  const packaged = places.flatMap((place) => {
    const vendor = join(root, place, "@oven");
    // npm may refuse the install script that puts the right build into place.
    const builds = existsSync(vendor) ? readdirSync(vendor) : [];
    return [
      join(root, place, ".bin", "bun"),
      ...builds.map((build) => join(vendor, build, "bin", "bun")),
    ];
  });
  return [...packaged, "bun"].find((program) => {
    const { status, stdout } = spawnSync(program, ["--version"], { encoding: "utf8" });
    return status === 0 && stdout.trim() === version;
  });
}

function ensureBun() {
  const found = findBun();
  if (found !== undefined) return found;
  const quiet = ["--no-save", "--no-audit", "--no-fund", "--loglevel=error"];
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  const prefix = join(root, ".tools");
  step(`installing Bun ${version}`, npm, [
    "install",
    ...quiet,
    "--prefix",
    prefix,
    `bun@${version}`,
  ]);
  const installed = findBun();
  if (installed === undefined) fail(`Bun ${version}: npm installed it, but it does not run;`, {});
  return installed;
}

/** Exactly what bun.lock says; skipped while nothing that decides it has changed. */
function ensureDependencies(bun) {
  const stamp = join(root, "node_modules", ".installed");
  const patches = existsSync(join(root, "patches"))
    ? readdirSync(join(root, "patches")).sort()
    : [];
  const inputs = ["package.json", "bun.lock", ...patches.map((name) => join("patches", name))];
  const hash = createHash("sha256").update(inputs.map(read).join("\0")).digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === hash) return;
  step("installing dependencies", bun, ["install", "--frozen-lockfile"]);
  writeFileSync(stamp, hash);
}

function ensureApp(bun) {
  if (!existsSync(join(root, "src", "gen"))) step("generating", bun, ["scripts/generate.ts"]);
  const options = { cwd: root, stdio: ["ignore", "inherit", "inherit"] };
  const { status } = spawnSync(bun, ["scripts/build.ts", "--if-stale"], options);
  if (status !== 0) process.exit(1);
}

/** Becomes the program as far as can be: its streams, its signals, its exit code. */
function become(program, args) {
  const path = [join(root, "node_modules", ".bin"), process.env.PATH].join(delimiter);
  const env = { ...process.env, PATH: path };
  const child = spawn(program, args, { env, stdio: "inherit" });
  // On a terminal Ctrl-C reaches the child by itself; a second one would mean "now".
  process.on("SIGINT", () => process.stdin.isTTY || child.kill("SIGINT"));
  process.on("SIGTERM", () => child.kill("SIGTERM"));
  process.on("SIGHUP", () => child.kill("SIGHUP"));
  child.on("error", (error) => fail(program, { error }));
  child.on("exit", (code, signal) => {
    const numbers = { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 };
    process.exit(code ?? 128 + (numbers[signal] ?? 6));
  });
}

/** `--junit FILE` beside bun's own arguments; a test that hangs ends by itself. */
function testArguments(args) {
  const at = args.indexOf("--junit");
  if (at < 0) return ["--timeout=120000", ...args];
  const junit = ["--reporter=junit", `--reporter-outfile=${args[at + 1]}`];
  return ["--timeout=120000", ...junit, ...args.filter((_, i) => i < at || i > at + 1)];
}

const [command, ...args] = process.argv.slice(2);
if (!["start", "test", "image", "release"].includes(command)) {
  say("usage: npm start [-- arguments of app]   |   npm test [-- arguments of bun test]");
  say("       npm run image                     |   npm run release");
  process.exit(2);
}
const bun = ensureBun();
ensureDependencies(bun);
ensureApp(bun);
if (command === "start") {
  become(join(root, "dist", "app"), args);
} else if (command !== "test") {
  process.chdir(root);
  become(bun, [`scripts/${command}.ts`, ...args]);
} else {
  process.chdir(root);
  become(bun, ["scripts/services.ts", bun, "test", ...testArguments(args)]);
}
