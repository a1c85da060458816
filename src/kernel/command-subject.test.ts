import { expect, test } from "bun:test";
import { commandSubject } from "./command-subject.ts";
import { generateEscrowId } from "./ids.ts";

test("an escrow's id is known by its form; what has another is a provider's name", () => {
  const escrowId = generateEscrowId("alice", "key");
  expect(commandSubject(escrowId)).toEqual({ escrowId });
  expect(commandSubject("")).toEqual({ escrowId: "" });
  for (const provider of ["sandbox", "stripe2", "stripe-eu"]) {
    expect(commandSubject(provider)).toEqual({ escrowId: "", provider });
  }
});
