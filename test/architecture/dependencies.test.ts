/** Bad input B30: what comes from others is exactly what was looked at, runs nothing when installed, and may be used. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import manifest from "../../package.json" with { type: "json" };
import { root } from "../../scripts/process.ts";
import { billOfMaterials, components, lockedPackages } from "../../scripts/sbom.ts";
import tools from "../../tools/package.json" with { type: "json" };

/** Older ones have a known hole, or lose data in a way that our tests were not made for. */
const floors: Readonly<Record<string, string>> = {
  "@electric-sql/pglite": "0.5.16",
  bun: "1.4.5",
  hono: "4.12.21",
  jose: "6.2.0",
  kafkajs: "2.2.4",
  postgres: "3.4.9",
};
const free = new Set([
  "0BSD",
  "Apache-2.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "BlueOak-1.0.0",
  "ISC",
  "MIT",
  "Unlicense",
]);

/** Those of `floors` that `versions` fall short of, or lack. */
function below(versions: ReadonlyMap<string, string>): string[] {
  return Object.entries(floors)
    .filter(([name, floor]) => Bun.semver.order(versions.get(name) ?? "0.0.0", floor) < 0)
    .map(([name]) => name);
}

test("each version is exact", () => {
  const named = [manifest, tools].flatMap((one) =>
    Object.entries({ ...("dependencies" in one ? one.dependencies : {}), ...one.devDependencies }),
  );
  expect(named.length).toBeGreaterThan(20);
  expect(named.filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))).toEqual([]);
});

test("no version is older than its floor", () => {
  const locked = new Map(
    [...lockedPackages()].map(([place, [id]]) => [place, id.slice(id.lastIndexOf("@") + 1)]),
  );
  expect(below(new Map([...locked, ["hono", "4.12.20"]]))).toEqual(["hono"]);
  expect(below(locked)).toEqual([]);
});

test("each package is held by a checksum", () => {
  const loose = [...lockedPackages()].filter(
    ([, entry]) => !entry.at(-1)?.toString().startsWith("sha512-"),
  );
  expect(loose.map(([place]) => place)).toEqual([]);
});

test("nothing is run when it is installed", () => {
  for (const one of [manifest, tools]) {
    expect(Object.keys(one)).not.toContain("trustedDependencies");
  }
  expect(readFileSync(join(root, "bunfig.toml"), "utf8")).not.toContain("trusted");
});

test("what is inside the binary may be used there", () => {
  const all = components();
  expect(all.length).toBeGreaterThan(manifest.dependencies ? 20 : 0);
  const names = (licence: string) => licence.split(/[()]| OR | AND /).filter((name) => name !== "");
  const others = all.filter(({ licence }) => {
    const said = names(licence);
    return said.length === 0 || !said.every((name) => free.has(name));
  });
  expect(others).toEqual([]);
});

test("the bill of materials names every dependency with its version", () => {
  const bill = JSON.stringify(billOfMaterials());
  for (const [name, version] of Object.entries(manifest.dependencies)) {
    expect(bill).toContain(`"name":"${name}","version":"${version}"`);
  }
});
