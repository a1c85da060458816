/**
 * `npm run image`: lays out in dist/image all that the container image holds: the program, the C
 * library it is linked to, and names for its user. Nothing in it can start but the program.
 */
import { copyFileSync, cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { build } from "./build.ts";
import { root, run } from "./process.ts";

const layout = join(root, "dist", "image");
const image = join(layout, "files");

/** The Dockerfile names the same. */
const imageUser = 65_532;

/** Look names up where the C library is older than 2.34; part of it since then. */
const lookups = ["libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2"];

const files: Readonly<Record<string, string>> = {
  "etc/passwd": `app:x:${imageUser}:${imageUser}::/data:\n`,
  "etc/group": `app:x:${imageUser}:\n`,
  "etc/nsswitch.conf": "hosts: files dns\n",
};

/** Where Linux distributions keep the certificate authorities they trust. */
const authorities = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];

/** What the Dockerfile copies: `files`, and `data` for its user. */
export async function layOut(): Promise<void> {
  if (process.platform !== "linux") throw new Error("an image is laid out on Linux");
  await build({ ifStale: true });
  rmSync(layout, { recursive: true, force: true });
  mkdirSync(join(layout, "data"), { recursive: true });
  for (const folder of ["tmp", "etc"]) mkdirSync(join(image, folder), { recursive: true });
  const program = join(root, "dist", "app");
  copyFileSync(program, join(image, "app"));
  for (const path of await libraries(program)) put(path, path);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(image, name), text);
  // The program brings Mozilla's; these are read with NODE_USE_SYSTEM_CA=1.
  const bundle = authorities.find((path) => existsSync(path));
  if (bundle !== undefined) put(bundle, "/etc/ssl/certs/ca-certificates.crt");
}

function put(from: string, to: string): void {
  mkdirSync(dirname(join(image, to)), { recursive: true });
  cpSync(from, join(image, to), { dereference: true });
}

/** Of the machine it was built on, at the places its loader looks for them. */
async function libraries(program: string): Promise<readonly string[]> {
  const listed = await run(["ldd", program]);
  if (listed.includes("not found")) throw new Error(`a library is missing:\n${listed}`);
  const found = [...listed.matchAll(/(\/\S+)\s+\(0x/g)].map(([, path]) => String(path));
  const libc = found.find((path) => /\/libc\.so\.6$/.test(path));
  if (libc === undefined) throw new Error(`${program} is not linked to the GNU C library`);
  const beside = lookups.map((name) => join(dirname(libc), name));
  return [...found, ...beside.filter((path) => existsSync(path))];
}

if (import.meta.main) {
  await layOut();
  const megabytes = Number((await run(["du", "-sb", image])).split(/\s/)[0]) / 1e6;
  console.error(`laid out dist/image: ${megabytes.toFixed(0)} MB; now: docker build -t app .`);
}
