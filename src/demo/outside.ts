/**
 * The world outside the program, played: a Stripe of our own over real HTTP, with the secrets of
 * this story. It goes on when told to, so that a story is the same each time it is played.
 */
import { parseDuration } from "#kernel/duration";
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
  const secret = () => `whsec_${crypto.randomUUID()}`;
  const secrets = { platform: secret(), connect: secret() };
  const stripe = startStripeSimulator({ goesOn: false });
  const controls: Readonly<Record<string, object>> = { stripe: stripe.control };
  return {
    settings: {
      STRIPE_SECRET_KEY: "sk_test_story",
      STRIPE_PUBLISHABLE_KEY: "pk_test_story",
      STRIPE_WEBHOOK_SECRET: secrets.platform,
      STRIPE_CONNECT_WEBHOOK_SECRET: secrets.connect,
      STRIPE_API_BASE: stripe.url,
    },
    connect(appUrl) {
      const url = `${appUrl}/v1/webhooks/stripe`;
      stripe.control.webhooks({
        platform: { url, secret: secrets.platform },
        connect: { url, secret: secrets.connect },
      });
    },
    goOn: async () => {
      await stripe.goOn();
    },
    advance(duration) {
      const ms = parseDuration(duration);
      if (ms === undefined) throw new StoryBroken(`not a duration: ${duration}`);
      stripe.control.advance({ ms: Number(ms) });
    },
    play: async (simulator, action, args = {}) => {
      const act = (controls[simulator] as Record<string, unknown> | undefined)?.[action];
      if (typeof act !== "function") throw new StoryBroken(`${simulator} cannot ${action}`);
      return act(args);
    },
    stop: stripe.stop,
  };
}
