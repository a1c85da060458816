/**
 * The ids under which this process sends. They are asked for once, at the start; while the registry
 * does not answer, those of the last start serve. Where there are none nothing is sent, messages
 * wait in their outbox, and readiness says why.
 */
import { SystemicError, TransientError } from "../errors.ts";
import type { Worker } from "../module.ts";
import type { Logger } from "../telemetry/logger.ts";
import { WorkerLostError } from "../workers/worker-lost-error.ts";
import { schemaIfKnown } from "./ensure-schemas.ts";
import type { KeptIds } from "./kept-ids.ts";
import type { Registered, SchemaRegistry } from "./registry.ts";
import type { Subject } from "./subjects.ts";

export interface SchemaIds {
  /** Undefined while it is not known. */
  idOf(topic: string): number | undefined;
  /** Throws SystemicError when the registry lacks a schema; resolves also when it does not answer. */
  prepare(): Promise<void>;
  /** Goes on asking a registry that did not answer at the start. */
  readonly worker: Worker;
}

export interface SchemaIdsOptions {
  readonly registry: SchemaRegistry;
  readonly kept: KeptIds;
  /** Of the topics that this process writes. */
  readonly subjects: () => Promise<readonly Subject[]>;
  readonly logger: Logger;
}

export function createSchemaIds({ registry, kept, subjects, logger }: SchemaIdsOptions): SchemaIds {
  const ids = new Map<string, number>();
  /** Undefined once the registry has answered. */
  let unanswered: string | undefined = "the schema registry has not been asked yet";
  let missing = true;

  async function recall(wanted: readonly Subject[]): Promise<void> {
    const prints = fingerprintsOf(wanted);
    for (const { subject, fingerprint, id } of await kept.load(registry.url)) {
      const topic = wanted.find(({ name }) => name === subject)?.topic;
      if (topic !== undefined && prints.get(subject) === fingerprint) ids.set(topic, id);
    }
    missing = wanted.some(({ topic }) => topic !== undefined && !ids.has(topic));
  }

  async function ask(wanted: readonly Subject[]): Promise<void> {
    const found = await findAll(registry, wanted);
    const prints = fingerprintsOf(wanted);
    const own = wanted.filter(({ topic }) => topic !== undefined);
    await kept.keep(
      registry.url,
      own.map(({ name }) => ({
        subject: name,
        fingerprint: prints.get(name) ?? "",
        id: found.get(name)?.id ?? 0,
      })),
    );
    for (const { topic, name } of own) {
      const id = found.get(name)?.id;
      if (topic !== undefined && id !== undefined) ids.set(topic, id);
    }
    missing = false;
    unanswered = undefined;
  }

  /** False while the registry does not answer. */
  async function answered(wanted: readonly Subject[]): Promise<boolean> {
    try {
      await ask(wanted);
      return true;
    } catch (error) {
      if (!(error instanceof TransientError)) throw error;
      unanswered = error.message;
      return false;
    }
  }

  return {
    idOf: (topic) => ids.get(topic),
    async prepare() {
      const wanted = await subjects();
      await recall(wanted);
      if (await answered(wanted)) return;
      const what = missing
        ? "nothing can be sent until it does"
        : "the ids of the last start serve";
      logger.warn({ reason: unanswered }, `the schema registry does not answer: ${what}`);
    },
    worker: {
      name: "schemas",
      idleMs: 5_000,
      async step() {
        if (unanswered === undefined) return "idle";
        try {
          if (await answered(await subjects())) logger.info({}, "the schema registry answers");
        } catch (error) {
          if (error instanceof SystemicError) throw new WorkerLostError(error.message);
          throw error;
        }
        return "idle";
      },
      problem: () => (missing ? unanswered : undefined),
    },
  };
}

/** Throws SystemicError for what is not registered. */
async function findAll(
  registry: SchemaRegistry,
  subjects: readonly Subject[],
): Promise<ReadonlyMap<string, Registered>> {
  const found = new Map<string, Registered>();
  const lacking: string[] = [];
  for (const subject of subjects) {
    const schema = schemaIfKnown(subject, found);
    const one = schema && (await registry.find(subject.name, schema));
    if (one === undefined) lacking.push(subject.name);
    else found.set(subject.name, one);
  }
  if (lacking.length === 0) return found;
  throw new SystemicError(
    `the schema registry lacks this version of ${lacking.join(", ")}: run \`app topics\``,
  );
}

/** Of a subject's text and of all that it imports. */
function fingerprintsOf(subjects: readonly Subject[]): ReadonlyMap<string, string> {
  const prints = new Map<string, string>();
  for (const { name, text, imports } of subjects) {
    const hash = new Bun.CryptoHasher("sha256").update(text);
    for (const { subject } of imports) hash.update(prints.get(subject) ?? "");
    prints.set(name, hash.digest("hex"));
  }
  return prints;
}
