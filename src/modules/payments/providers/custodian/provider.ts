/**
 * A custodian of USDC on Base behind the provider port: an address for each payment, finality before
 * anything counts, payouts and refunds to wallets that proved themselves. Contract:
 * docs/custodian-api.md.
 */
import type { Clock } from "#platform/clock";
import type { PaymentProvider } from "../../provider.ts";
import { readSigned } from "../signed-webhook.ts";
import { assetOn } from "./assets.ts";
import { createClient } from "./client.ts";
import { createDeposits } from "./deposits.ts";
import { createLists, webhookOf } from "./lists.ts";
import { event } from "./shapes.ts";
import { type Credentials, signedAt } from "./sign.ts";
import { createWallets } from "./wallets.ts";
import { createWithdrawals } from "./withdrawals.ts";

export interface CustodianConfig {
  readonly url: string;
  readonly credentials: Credentials;
  /** All of them verify. */
  readonly webhookSecrets: readonly string[];
  readonly chainId: string;
  readonly confirmations: number;
  /** Real money. */
  readonly live: boolean;
  readonly timeoutMs?: number;
}

export interface CustodianOptions extends CustodianConfig {
  readonly clock: Clock;
}

const usualTimeoutMs = 20_000;

export function createCustodianProvider(options: CustodianOptions): PaymentProvider {
  const { live, chainId, confirmations, clock, timeoutMs = usualTimeoutMs } = options;
  const asset = assetOn(chainId);
  if (asset === undefined) throw new Error(`no USDC is known on chain ${chainId}`);
  const client = createClient({ ...options, timeoutMs });
  return {
    describe: () => ({ name: "custodian", live, timeoutMs, readyByDefault: () => false }),
    ...createDeposits({ client, asset, confirmations }),
    ...createWithdrawals({ client, asset }),
    ...createWallets({ client, chainId }),
    ...createLists({ client, asset, clock }),
    verifyWebhook: async (bytes, headers) => {
      const signedSeconds = signedAt(bytes, headers, options.webhookSecrets);
      const signed = { bytes, signedSeconds, wall: clock.wall() };
      const read = readSigned(signed, (body) => event.safeParse(body).data);
      return "refused" in read ? read : webhookOf(read.event);
    },
  };
}
