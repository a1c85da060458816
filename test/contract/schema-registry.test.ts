/** What we ask of a schema registry, whichever it is. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { SystemicError, TransientError } from "#platform/errors";
import { ensureSchemas } from "#platform/schemas/ensure-schemas";
import { readProtoFile } from "#platform/schemas/proto-files";
import { createSchemaRegistry, type SchemaRegistry } from "#platform/schemas/registry";
import { type Subject, subjectsOf } from "#platform/schemas/subjects";
import { allTopics } from "#topics";
import { type OpenRegistry, registryKinds } from "../support/registries.ts";
import { startFakeRegistry } from "../support/schema-registry.ts";

const subjects = await subjectsOf({
  topics: allTopics,
  nameOf: (name) => name,
  read: readProtoFile,
});
const names = subjects.map(({ name }) => name);
const changed: readonly Subject[] = subjects.map((subject) =>
  subject.topic === "escrow.events.v1"
    ? { ...subject, text: `${subject.text}// newer\n` }
    : subject,
);

test("K1: a subject per topic, and one per file they import, each behind what it imports", () => {
  expect(names.filter((name) => name.endsWith("-value"))).toEqual(
    allTopics.map(({ name }) => `${name}-value`),
  );
  expect(names.slice(0, 2)).toEqual(["buf/validate/validate.proto", "escrow/v1/types.proto"]);
  for (const [index, { imports }] of subjects.entries()) {
    for (const { subject } of imports) expect(names.slice(0, index)).toContain(subject);
  }
});

for (const kind of registryKinds) {
  describe(kind.name, () => {
    let opened: OpenRegistry;
    let registry: SchemaRegistry;
    beforeAll(async () => {
      opened = await kind.open("app:a password");
      const login = { username: "app", password: "a password" };
      registry = createSchemaRegistry({ url: `${opened.url}/`, ...login });
    }, 60_000);
    afterAll(async () => opened.close());

    test("K1: a dry run tells everything and does nothing", async () => {
      const changes = await ensureSchemas(registry, subjects, { dryRun: true });
      const registered = changes.filter((one) => one.kind === "register");
      expect(registered.map(({ subject }) => subject)).toEqual(names);
      const levels = changes.filter((one) => one.kind === "level");
      expect(levels.map(({ subject }) => subject)).toEqual(names.slice(1));
      expect(await ensureSchemas(registry, subjects, { dryRun: true })).toEqual(changes);
    });

    test("K1: registered once, BACKWARD, and then nothing differs", async () => {
      expect(await ensureSchemas(registry, subjects)).not.toBeEmpty();
      expect(await ensureSchemas(registry, subjects)).toEqual([]);
      expect(await registry.level("escrow.events.v1-value")).toBe("BACKWARD");
      expect(await registry.level("buf/validate/validate.proto")).toBeUndefined();
    });

    test("K2: a newer version is registered beside the older, under another id", async () => {
      const idOf = async (text: string) => {
        const reference = { name: "escrow/v1/types.proto", subject: "escrow/v1/types.proto" };
        const references = [{ ...reference, version: 1 }];
        return registry.find("escrow.events.v1-value", { text, references });
      };
      const change = { kind: "register", subject: "escrow.events.v1-value" };
      expect(await ensureSchemas(registry, changed, { dryRun: true })).toMatchObject([change]);
      expect(await ensureSchemas(registry, changed)).toMatchObject([change]);
      const [older, newer] = [await idOf(textIn(subjects)), await idOf(textIn(changed))];
      expect([older?.version, newer?.version]).toEqual([1, 2]);
      expect(newer?.id).toBeGreaterThan(older?.id ?? Number.POSITIVE_INFINITY);
    });

    test("K1: a level that asks for more stays, one that asks for less is set", async () => {
      await registry.setLevel("escrow.events.v1-value", "FULL_TRANSITIVE");
      await registry.setLevel("payments.events.v1-value", "NONE");
      expect(await ensureSchemas(registry, changed)).toEqual([
        { kind: "level", subject: "payments.events.v1-value", is: "NONE", wanted: "BACKWARD" },
      ]);
      expect(await registry.level("escrow.events.v1-value")).toBe("FULL_TRANSITIVE");
      expect(await registry.level("payments.events.v1-value")).toBe("BACKWARD");
    });

    test("bad input: a wrong password is told, and nothing is taken for missing", async () => {
      const stranger = createSchemaRegistry({ url: opened.url, username: "app", password: "no" });
      const error = await ensureSchemas(stranger, subjects).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(TransientError);
      expect(String(error)).toMatch(/\(40[13]\)/);
      expect(String(error)).not.toContain("no:");
    });
  });
}

describe("a registry that says no", () => {
  test("K2: an incompatible schema is refused with the reasons, before anything is registered", async () => {
    const fake = startFakeRegistry();
    const registry = createSchemaRegistry({ url: fake.url });
    await ensureSchemas(registry, subjects);
    fake.incompatible("escrow.events.v1-value", "FIELD_SCALAR_KIND_CHANGED at path #/Event/3");
    const before = fake.asked.length;
    const refused = ensureSchemas(registry, changed);
    expect(await refused.catch((thrown: unknown) => thrown)).toBeInstanceOf(SystemicError);
    await expect(refused).rejects.toThrow(
      "escrow.events.v1-value: FIELD_SCALAR_KIND_CHANGED at path #/Event/3",
    );
    expect(fake.asked.slice(before).filter((one) => /^PUT|versions$/.test(one))).toEqual([]);
    fake.stop();
  });

  test("K2: it is told how strict to be before it is asked whether a schema fits", async () => {
    const fake = startFakeRegistry();
    await ensureSchemas(createSchemaRegistry({ url: fake.url }), subjects);
    const told = fake.asked.findLastIndex((one) => one.startsWith("PUT /config/"));
    const asked = fake.asked.findIndex((one) => one.startsWith("POST /compatibility/"));
    expect(told).toBeGreaterThan(0);
    expect(asked).toBeGreaterThan(told);
    fake.stop();
  });

  test("K2: what it refuses only when it is registered is told too", async () => {
    const fake = startFakeRegistry();
    const registry = createSchemaRegistry({ url: fake.url });
    const [first] = subjects as [Subject];
    const schema = { text: "no syntax", references: [{ name: "x", subject: "x", version: 9 }] };
    await expect(registry.register(first.name, schema)).rejects.toThrow(
      "the schema registry refuses buf/validate/validate.proto: no reference x",
    );
    fake.stop();
  });

  test("bad input: down, silent, or something else altogether: it cannot be used", async () => {
    const strange = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: ({ url }) => {
        if (url.includes("/html/")) return new Response("<html>", { status: 404 });
        if (url.includes("/away/")) return Response.redirect("http://127.0.0.1:1/", 302);
        if (url.includes("/odd/")) return Response.json({ id: "one" });
        if (url.includes("/silent/")) return Promise.withResolvers<Response>().promise;
        return Response.json({ message: "not the leader" }, { status: 503 });
      },
    });
    const base = `http://127.0.0.1:${strange.port}`;
    const urls = ["html", "away", "odd", "silent", "busy"].map((path) => `${base}/${path}`);
    for (const url of [...urls, "http://127.0.0.1:1"]) {
      const asked = createSchemaRegistry({ url, timeoutMs: 300 }).find("a", {
        text: "",
        references: [],
      });
      const error = await asked.catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(TransientError);
      expect(String(error)).toContain(`the schema registry at ${url} cannot be used: `);
    }
    await strange.stop(true);
  });
});

function textIn(all: readonly Subject[]): string {
  return all.find(({ topic }) => topic === "escrow.events.v1")?.text ?? "";
}
