/**
 * The world outside the program, played: a Stripe and a custodian of our own over real HTTP, with
 * the secrets of this story. They go on when told to, so that a story is the same each time.
 */
import { parseDuration } from "#kernel/duration";
import {
  mine,
  receive,
  reorganise,
  startCustodianSimulator,
} from "../simulators/custodian/index.ts";
import { startStripeSimulator } from "../simulators/stripe/index.ts";
import { StoryBroken, type World } from "./story.ts";

export interface Outside extends World {
  /** What the program must be told to meet it. */
  readonly settings: Readonly<Record<string, string>>;
  /** Where its webhooks go. */
  connect(appUrl: string): void;
  /** Does what is due and delivers its webhooks. */
  goOn(): Promise<void>;
  advance(duration: string): void;
  stop(): Promise<void>;
}

export function startOutside(): Outside {
  let aheadMs = 0;
  const now = () => new Date(Date.now() + aheadMs);
  const stripe = playStripe();
  const custodian = playCustodian(now);
  const parts = { stripe, custodian };
  return {
    settings: { ...stripe.settings, ...custodian.settings },
    connect(appUrl) {
      stripe.connect(appUrl);
      custodian.connect(appUrl);
    },
    async goOn() {
      await stripe.goOn();
      await custodian.goOn();
    },
    advance(duration) {
      const ms = parseDuration(duration);
      if (ms === undefined) throw new StoryBroken(`not a duration: ${duration}`);
      aheadMs += Number(ms);
      stripe.acts.advance({ ms: Number(ms) });
    },
    async play(simulator, action, args = {}) {
      const act = (parts[simulator].acts as Record<string, unknown>)[action];
      if (typeof act !== "function") throw new StoryBroken(`${simulator} cannot ${action}`);
      return act(args);
    },
    async stop() {
      await stripe.stop();
      await custodian.stop();
    },
  };
}

function playStripe() {
  const secrets = { platform: newSecret(), connect: newSecret() };
  const simulator = startStripeSimulator({ goesOn: false });
  return {
    acts: simulator.control,
    settings: {
      STRIPE_SECRET_KEY: "sk_test_story",
      STRIPE_PUBLISHABLE_KEY: "pk_test_story",
      STRIPE_WEBHOOK_SECRET: secrets.platform,
      STRIPE_CONNECT_WEBHOOK_SECRET: secrets.connect,
      STRIPE_API_BASE: simulator.url,
    },
    connect(appUrl: string) {
      const url = `${appUrl}/v1/webhooks/stripe`;
      const { platform, connect } = secrets;
      simulator.control.webhooks({
        platform: { url, secret: platform },
        connect: { url, secret: connect },
      });
    },
    goOn: async () => {
      await simulator.goOn();
    },
    stop: simulator.stop,
  };
}

function playCustodian(now: () => Date) {
  const credentials = { keyId: "story", secret: newSecret() };
  const secrets = [newSecret()];
  const simulator = startCustodianSimulator({ credentials, now, wall: () => new Date() });
  const { book } = simulator;
  const idOf = (address: string): string => {
    const wanted = address.toLowerCase();
    const found = [...book.addresses.values()].find((one) => one.address.toLowerCase() === wanted);
    if (found === undefined) throw new StoryBroken(`the custodian knows no address ${address}`);
    return found.id;
  };
  return {
    acts: {
      receive: (a: { address: string; from: string; amount: string; token?: string }) => {
        const { address, amount, ...transfer } = a;
        return receive(book, idOf(address), { ...transfer, amount: BigInt(amount) });
      },
      mine: (a: { blocks: number }) => mine(book, a.blocks),
      reorganise: (a: { blocks: number }) => reorganise(book, a.blocks),
    },
    settings: {
      CUSTODIAN_URL: simulator.url,
      CUSTODIAN_API_KEY: `${credentials.keyId}:${credentials.secret}`,
      CUSTODIAN_WEBHOOK_SECRET: secrets.join(","),
      CUSTODIAN_CONFIRMATIONS: "12",
    },
    connect(appUrl: string) {
      simulator.aim({ url: `${appUrl}/v1/webhooks/custodian`, secrets });
    },
    goOn: simulator.flush,
    stop: simulator.stop,
  };
}

function newSecret(): string {
  return `whsec_${crypto.randomUUID()}`;
}
