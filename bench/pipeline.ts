/**
 * Handling commands, topic to topic: the escrow's consumer, its transaction, the relay, Kafka. The
 * same code with up to 250 records in a transaction and with one, on a backlog laid before the clock
 * starts; and the sketch beside it.
 *
 *     bun bench/pipeline.ts batch|single|sketch [commands]
 */

import { escrowHandlers } from "../src/modules/escrow/consumers.ts";
import { sandboxOnly } from "../src/modules/escrow/domain/routing.ts";
import { createRelay } from "../src/modules/outbox/index.ts";
import { createConsumer } from "../src/platform/messaging/consumer.ts";
import type { EventLog } from "../src/platform/messaging/event-log.ts";
import { createOutbox } from "../src/platform/messaging/outbox.ts";
import { createSupervisor } from "../src/platform/workers/supervisor.ts";
import { dealRules } from "../src/settings/deal-rules.ts";
import { commandRecords, messagesPerPair } from "./commands.ts";
import { clock, findServers, logger, openRound, type Round, type Servers } from "./environment.ts";
import { countdown, cpuUsPer, type Figure, median, type PipelineResult } from "./measure.ts";
import { runSketch } from "./sketch.ts";

async function runPipeline(
  servers: Servers,
  { commands, maxRecords }: { readonly commands: number; readonly maxRecords?: number },
): Promise<PipelineResult> {
  const round = await openRound(servers);
  try {
    await lay(round.log, commands);
    return await handleAll(round, commands, maxRecords);
  } finally {
    await round.close();
  }
}

async function lay(log: EventLog, commands: number): Promise<void> {
  const records = commandRecords(commands);
  const producer = log.createProducer();
  for (let from = 0; from < records.length; from += 1_000) {
    await producer.send(records.slice(from, from + 1_000));
  }
  await producer.close();
}

async function handleAll(
  { databases, log }: Round,
  commands: number,
  maxRecords: number | undefined,
): Promise<PipelineResult> {
  const [handler] = escrowHandlers({ ...dealRules({}), routing: sandboxOnly });
  const db = databases.escrow;
  const outbox = createOutbox({ schema: "escrow", writer: "escrow", producerName: "app", clock });
  const published = countdown((commands / 2) * messagesPerPair);
  const handled = countdown(commands);
  let startedAt = 0;
  let cpu = process.cpuUsage();
  const consumer = createConsumer({
    handler,
    schema: "escrow",
    db,
    log,
    outbox,
    clock,
    logger,
    ...(maxRecords !== undefined && { maxRecords }),
    onHandled: ({ count, parked, durationMs }) => {
      if (startedAt === 0) {
        startedAt = performance.now() - durationMs;
        cpu = process.cpuUsage();
      }
      if (parked > 0) throw new Error("a command of the load was parked");
      handled.pass(count);
    },
  });
  const counted = { createProducer: () => countingProducer(log, published.pass) };
  const relay = createRelay({
    db,
    schema: "escrow",
    log: counted,
    clock,
    logger,
    owner: "bench",
    wakeOn: outbox,
  });
  const supervisor = createSupervisor({ clock, logger });
  supervisor.run([relay], "relays");
  supervisor.run([consumer], "consumers");
  const [handledAt, publishedAt] = await Promise.all([handled.done, published.done]);
  const cpuUsPerCommand = cpuUsPer(commands, cpu);
  await supervisor.stop(10_000);
  return {
    cpuUsPerCommand,
    handledPerS: (commands / (handledAt - startedAt)) * 1_000,
    publishedPerS: (commands / (publishedAt - startedAt)) * 1_000,
  };
}

function countingProducer(log: EventLog, pass: (count: number) => void) {
  const producer = log.createProducer();
  return {
    ...producer,
    send: async (records: Parameters<typeof producer.send>[0]) => {
      const answers = await producer.send(records);
      pass(answers.length);
      return answers;
    },
  };
}

/** Medians of interleaved rounds: whatever disturbs the machine disturbs all three. */
export async function pipelineFigures(servers: Servers, rounds: number): Promise<Figure[]> {
  const batch: PipelineResult[] = [];
  const single: PipelineResult[] = [];
  const sketch: PipelineResult[] = [];
  for (let round = 0; round < rounds; round += 1) {
    sketch.push(await runSketch(servers, batchCommands));
    batch.push(await runPipeline(servers, { commands: batchCommands }));
    single.push(await runPipeline(servers, { commands: singleCommands, maxRecords: 1 }));
  }
  const of = (results: readonly PipelineResult[], name: keyof PipelineResult) =>
    median(results.map((result) => result[name]));
  const value = of(batch, "publishedPerS");
  const perS = { unit: "commands/s", value };
  return [
    { name: "handling, topic to topic", ...perS, against: "goal", other: 8_000 },
    {
      name: "… in batches",
      ...perS,
      against: "one message per transaction (goal 8)",
      other: of(single, "publishedPerS"),
    },
    {
      name: "… by the product",
      ...perS,
      against: "safe sketch (goal 0.4)",
      other: of(sketch, "publishedPerS"),
    },
    {
      name: "… CPU of the handling process",
      value: of(batch, "cpuUsPerCommand"),
      unit: "µs/command",
      against: "safe sketch",
      other: of(sketch, "cpuUsPerCommand"),
      lowerIsBetter: true,
    },
  ];
}

const batchCommands = 20_000;
const singleCommands = 2_000;

if (import.meta.main) {
  const [variant = "batch", count] = process.argv.slice(2);
  const commands = Number(count ?? (variant === "single" ? singleCommands : batchCommands));
  const servers = await findServers();
  const result =
    variant === "sketch"
      ? await runSketch(servers, commands)
      : await runPipeline(servers, { commands, ...(variant === "single" && { maxRecords: 1 }) });
  console.log(variant, commands, result);
  await servers.stop();
  process.exit(0);
}
