// `app token` gives no token that the API would refuse, and none that outlives a month.
import { expect, spyOn, test } from "bun:test";
import { loadConfig } from "../config.ts";
import { ExitError } from "./exit.ts";
import { runToken } from "./token.ts";

const environment = { MEMORY: "true", JWT_SECRET: "a secret of more than thirty-two bytes" };
const config = loadConfig({ environment }, { serving: false });

async function printed(options: { sub: string; role: readonly string[]; ttl: string }) {
  const out = spyOn(process.stdout, "write").mockReturnValue(true);
  const err = spyOn(process.stderr, "write").mockReturnValue(true);
  try {
    await runToken(config, options);
    return { out: String(out.mock.calls), err: String(err.mock.calls) };
  } catch (error) {
    if (error instanceof ExitError) return { refused: error.message, code: error.code };
    throw error;
  } finally {
    out.mockRestore();
    err.mockRestore();
  }
}

test.each([
  [{ sub: "a b", ttl: "60" }, "--sub"],
  [{ sub: "", ttl: "60" }, "--sub"],
  [{ sub: "alice", ttl: "2592001" }, "--ttl"],
  [{ sub: "alice", ttl: "0" }, "--ttl"],
])("%j is refused by the name of its flag", async (given, flag) => {
  const { code, refused } = await printed({ ...given, role: ["buyer"] });
  expect({ code, named: refused?.startsWith(`${flag}:`) }).toEqual({ code: 2, named: true });
});

test("without a role it says so beside the token, and with one it says nothing else", async () => {
  const plain = await printed({ sub: "alice", role: [], ttl: "2592000" });
  expect(plain.out?.split(".")).toHaveLength(3);
  expect(plain.err).toContain("--role");
  expect((await printed({ sub: "alice", role: ["buyer"], ttl: "60" })).err).toBe("");
});
