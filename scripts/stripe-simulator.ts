/**
 * Runs the Stripe simulator on its own, for trying the product by hand: prints what to start the
 * server with. `bun scripts/stripe-simulator.ts [port of the simulator] [URL of the server]`.
 */
import { startStripeSimulator } from "../src/simulators/stripe/index.ts";

const [port = "12111", server = "http://127.0.0.1:3000"] = process.argv.slice(2);
const secret = "whsec_simulated";
const target = { url: `${server}/v1/webhooks/stripe`, secret };
const simulator = startStripeSimulator({
  port: Number(port),
  webhooks: { platform: target, connect: target },
});
console.log(`STRIPE_API_BASE=${simulator.url}`);
console.log("STRIPE_SECRET_KEY=sk_test_simulated");
console.log("STRIPE_PUBLISHABLE_KEY=pk_test_simulated");
console.log(`STRIPE_WEBHOOK_SECRET=${secret}`);
console.log(`STRIPE_CONNECT_WEBHOOK_SECRET=${secret}`);
