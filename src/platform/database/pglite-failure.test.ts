import { describe, expect, test } from "bun:test";
import { tmpdir } from "node:os";
import { SystemicError } from "../errors.ts";
import { stoppedBy } from "./pglite-failure.ts";
import { createPgliteSession } from "./pglite-session.ts";

const sqlError = (code: string, severity: string): Error =>
  Object.assign(new Error("from the server"), { code, severity });

describe("the embedded database", () => {
  test("goes on after a statement that failed", () => {
    expect(stoppedBy(sqlError("23505", "ERROR"), tmpdir())).toBeUndefined();
    expect(stoppedBy(sqlError("57014", "ERROR"), tmpdir())).toBeUndefined();
  });

  test.each([
    ["a full disk told by the server", sqlError("53100", "ERROR"), "disk full"],
    ["a full disk told by the file system", new Error("ENOSPC: no space left"), "disk full"],
    ["a panic", sqlError("XX000", "PANIC"), "has stopped"],
    ["a trap", new WebAssembly.RuntimeError("unreachable"), "has stopped"],
  ])("stops at %s", (_, error, words) => {
    const stopped = stoppedBy(error, tmpdir());
    expect(stopped).toBeInstanceOf(SystemicError);
    expect(stopped?.message).toContain(words);
    expect(stopped?.cause).toBe(error);
  });

  test("is asked nothing more once it has stopped, not even to roll back", async () => {
    let asked = 0;
    const pg = {
      isInTransaction: () => true,
      execProtocolStream: () => {
        asked += 1;
        return Promise.reject(sqlError("53100", "ERROR"));
      },
    };
    const session = createPgliteSession(pg, "x");
    for (const text of ["INSERT INTO t VALUES (1)", "ROLLBACK", "CHECKPOINT"]) {
      await expect(session.script(text)).rejects.toThrow("disk full: x");
    }
    expect(asked).toBe(1);
    expect(session.stopped()).toBe(true);
  });
});
