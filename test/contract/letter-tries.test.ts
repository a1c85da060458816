/** How often and when a parked message is tried: by itself, as an operator asked, and by whom. */
import { describe, expect, test } from "bun:test";
import { loadMigrations } from "#platform/database/migration-files";
import { TerminalError } from "#platform/errors";
import { replayLetters } from "#platform/messaging/dead-letters/letter-actions";
import { listLetters } from "#platform/messaging/dead-letters/letters";
import { createRedrive } from "#platform/messaging/dead-letters/redrive";
import { describe as causeOf, letterFingerprint } from "#platform/messaging/failure";
import { adapters } from "../support/databases.ts";
import { effects, parkedNotes, tallyHandler } from "../support/tally.ts";
import { tallyWorld } from "../support/tally-world.ts";

const place = { consumer: "tally.notes", topic: "notes.v1", partition: 0, offset: 0n };
const ann = { askedBy: "test|ann", reason: "INC-1" };

for (const adapter of adapters) {
  describe(`tries of letters on ${adapter.name}`, () => {
    const world = tallyWorld(adapter);
    const { started, append, poison, cure } = world;
    const replay = (delayMs = 0) =>
      replayLetters(world.db, "tally", [{ place, key: "a", delayMs }], ann);
    const inHand = () => world.db.sql`SELECT in_hand_of, crashes FROM tally.parked ORDER BY off`;

    async function parkA1(delays: readonly number[]) {
      await poison("a");
      append("a1:poison", "a2");
      await (await started(tallyHandler(), { redriveDelaysMs: delays })).step();
      return createRedrive({ ...world.common(tallyHandler()), redriveDelaysMs: delays });
    }

    test("K5: a replay of one that waits is its next try: when that fails, it keeps its later ones", async () => {
      const redrive = await parkA1([3_600_000, 0, 0, 0]);
      expect(await redrive.step()).toBe("idle");
      await replay();
      expect(await redrive.step()).toBe("worked");
      expect(await parkedNotes(world.db)).toBe("0a:waiting:2 1a:waiting:0");
      await cure();
      // By itself: nobody asked for this one.
      expect(await redrive.step()).toBe("worked");
      expect(await effects(world.db)).toBe("a1 a2");
    });

    test("K5: a replay for later does not put off what would be tried before by itself", async () => {
      const redrive = await parkA1([0, 0, 0, 0]);
      await replay(3_600_000);
      await cure();
      expect(await redrive.step()).toBe("worked");
      expect(await effects(world.db)).toBe("a1 a2");
    });

    test("what another process has in hand is left to it; a dead one's goes on alone, and counts", async () => {
      const redrive = await parkA1([0, 0, 0, 0]);
      await world.db.sql`
        UPDATE tally.parked SET in_hand_of = 'other', in_hand_since = clock_timestamp()`;
      expect(await redrive.step()).toBe("idle");
      await world.db.sql`
        UPDATE tally.parked SET in_hand_since = clock_timestamp() - interval '1 hour'`;
      await cure();
      expect(await redrive.step()).toBe("worked");
      expect(await effects(world.db)).toBe("a1");
      expect(await inHand()).toEqual([{ in_hand_of: null, crashes: 1 }]);
      expect(await redrive.step()).toBe("worked");
      expect(await effects(world.db)).toBe("a1 a2");
    });

    test("a hiccup is no crash, whichever process meets it", async () => {
      await poison("a");
      append("a1:poison");
      await (await started()).step();
      const hiccuping = tallyHandler({
        before: () => {
          throw new Error("a hiccup");
        },
      });
      for (let process = 0; process < 5; process += 1) {
        const redrive = createRedrive({ ...world.common(hiccuping), heldMs: 0 });
        const failure = await redrive.step().catch((error: unknown) => error);
        expect(String(failure)).toContain("a hiccup");
      }
      expect(await inHand()).toEqual([{ in_hand_of: null, crashes: 0 }]);
      expect(await parkedNotes(world.db)).toBe("0a:waiting:1");
    });

    test("one that fails without ending the process is not suspected any more", async () => {
      const redrive = await parkA1([0, 0, 0, 0]);
      await world.db.sql`UPDATE tally.parked SET crashes = 2`;
      await redrive.step();
      expect(await inHand()).toEqual([
        { in_hand_of: null, crashes: 0 },
        { in_hand_of: null, crashes: 2 },
      ]);
    });

    test("K4: a letter stands in the group of what it failed of last", async () => {
      await parkA1([0, 0, 0, 0]);
      const error = new TypeError("another");
      const before = () => {
        throw error;
      };
      await createRedrive(world.common(tallyHandler({ before }))).step();
      const [letter] = await listLetters(world.db, "tally", {}, 10);
      expect(letter?.fingerprint).toBe(letterFingerprint("Note", error));
    });

    test("K4: letters from before keep the fingerprint under which they are known", async () => {
      const samples = [
        new Error("escrow esc_0123456789abcdef at version 7"),
        new TerminalError("payments event 5 after 3: a-1, b_2; 12.50 USD"),
        new Error("Größe 3 überschritten in Zeile x9y"),
        new TypeError("undefined is not an object (evaluating 'a.b')"),
        new Error(`long ${"word ".repeat(60)}7`),
        new Error(""),
        "thrown text 42",
      ];
      const { templates } = await loadMigrations();
      const { db } = world;
      await db.script("DROP SCHEMA tally CASCADE; CREATE SCHEMA tally");
      for (const { name, sql } of templates) {
        if (name === "_messaging_redrive") {
          for (const [offset, error] of samples.entries()) {
            await db.sql`
              INSERT INTO tally.parked (consumer, topic, part, off, key, message_id, message_type,
                value, headers, appended_at, state, attempts, cause)
              VALUES ('c', 't', 0, ${offset}, 'k', '', 'Note', '', '{}', now(), 'dead', 1,
                ${causeOf(error)})`;
          }
        }
        await db.script(sql.replaceAll("{{schema}}", "tally"));
      }
      const letters = await listLetters(db, "tally", {}, 10);
      const expected = samples.map((error) => letterFingerprint("Note", error));
      expect(letters.map(({ fingerprint }) => fingerprint)).toEqual(expected);
      expect(new Set(expected).size).toBe(samples.length);
    });
  });
}
