import { expect, test } from "bun:test";
import { partyPattern } from "#platform/http/path-id";
import { isProven, unprovenSubject } from "./unproven.ts";

test("who says a name stands beside it, and first, however long it is", () => {
  const deploy = { user: "deploy", host: "box 1" };
  expect(unprovenSubject({ ...deploy, named: "ann" })).toBe("unproven:deploy@box-1:says:ann");
  expect(unprovenSubject({ ...deploy, named: undefined })).toBe("unproven:deploy@box-1");
  const nobody = unprovenSubject({ user: undefined, host: "box", named: "a".repeat(128) });
  expect(nobody).toStartWith("unproven:unknown@box:says:aaa");
  expect(nobody).toMatch(partyPattern);
  expect(isProven({ subject: nobody })).toBe(false);
  expect(isProven({ subject: "ann" })).toBe(true);
});
