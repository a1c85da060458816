/**
 * A Stripe of our own, over real HTTP: keeps its objects, answers the official SDK, sends signed
 * webhooks, and fails when told to. For tests and for trying things out; it moves no money and its
 * secrets protect nothing.
 */
import { createBook } from "./book.ts";
import { type Control, createControl } from "./control.ts";
import { createDeliveries, type WebhookTargets } from "./deliveries.ts";
import { createFaults } from "./faults.ts";
import { createApi } from "./http.ts";
import { createKeys } from "./idempotency.ts";

export { signatureOf } from "./deliveries.ts";

export interface SimulatorOptions {
  /** 0 or absent: any that is free. */
  readonly port?: number;
  readonly hostname?: string;
  readonly live?: boolean;
  readonly apiVersion?: string;
  readonly now?: () => Date;
  readonly webhooks?: WebhookTargets;
  readonly floatUnits?: number;
  /** False: it goes on only when told to. */
  readonly goesOn?: boolean;
}

export interface StripeSimulator {
  readonly url: string;
  readonly control: Control;
  /** Does what it does by itself within a minute of its time, and sends its webhooks; was there any? */
  goOn(): Promise<boolean>;
  stop(): Promise<void>;
}

const lookEveryMs = 20;
const aheadMs = 60_000;

export function startStripeSimulator(options: SimulatorOptions = {}): StripeSimulator {
  const { now: wall = () => new Date(), live = false, floatUnits = 100_000_000 } = options;
  const { apiVersion = "2026-10-28.endive", hostname = "127.0.0.1", port = 0 } = options;
  let aheadOfWallMs = 0;
  const now = () => new Date(wall().getTime() + aheadOfWallMs);
  // Signatures are of the receiver's time, whatever the book's is.
  const deliveries = createDeliveries(wall);
  deliveries.targets = options.webhooks ?? {};
  const book = createBook({ now, live, apiVersion, floatUnits, events: deliveries.queue });
  const faults = createFaults();
  const advance = (ms: number) => {
    aheadOfWallMs += ms;
  };
  const control = createControl({ book, faults, deliveries, advance });
  const answer = createApi({ book, faults, keys: createKeys(now), control });
  // What is cut on request is nobody's error.
  const error = () => new Response("broken", { status: 500 });
  const development = false;
  const server = Bun.serve({ port, hostname, idleTimeout: 60, fetch: answer, error, development });
  let working: Promise<void> = Promise.resolve();
  const look = () => {
    book.goOn();
    working = working.then(async () => {
      while (await deliveries.step());
    });
  };
  const ticker = options.goesOn === false ? undefined : setInterval(look, lookEveryMs);
  return {
    url: `http://${hostname}:${server.port}`,
    control,
    goOn: async () => {
      let worked = false;
      do {
        while (await deliveries.step()) worked = true;
      } while (book.goOn(aheadMs));
      return worked;
    },
    stop: async () => {
      clearInterval(ticker);
      await working;
      await server.stop(true);
    },
  };
}
