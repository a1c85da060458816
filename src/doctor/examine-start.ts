/**
 * The guards of a start that need the database: does DATA_KEY open its keys, may money move through
 * the provider that is set up? The very functions of `app serve`, told to write nothing.
 */
import { createSystemClock } from "#platform/clock-system";
import { SystemicError, TransientError } from "#platform/errors";
import { silentLogger } from "#platform/telemetry/logger";
import { createMetrics } from "#platform/telemetry/metrics";
import { assertDataKey } from "../cli/prepare.ts";
import type { Config } from "../config.ts";
import { type Application, buildApplication } from "../roles.ts";
import { resolveSecrets, type Secrets } from "../secrets.ts";
import type { Stores } from "../stores.ts";
import {
  type Finding,
  ill,
  shortCover,
  stoppedLine,
  textOf,
  unreachable,
  well,
} from "./finding.ts";

/** Nothing while a secret is missing: examineSettings has said so. */
export async function examineStart(config: Config, stores: Stores): Promise<Finding[]> {
  if (!config.DATA_KEY || !(config.JWT_SECRET || config.JWT_JWKS_URL)) return [];
  const secrets = resolveSecrets(config);
  return [
    ...(await examineDataKey(stores, secrets)),
    ...(await examineGuards(config, stores, secrets)),
  ];
}

async function examineDataKey({ databases }: Stores, secrets: Secrets): Promise<Finding[]> {
  const [kept] = await databases.platform.sql`
    SELECT FROM keyring.key WHERE subject = 'platform' AND destroyed_at IS NULL`;
  // The first start writes the key that later ones are tried with.
  if (kept === undefined)
    return [well("settings", "DATA_KEY opens a database nobody has used yet")];
  try {
    await assertDataKey(databases.platform, secrets);
    return [well("settings", "DATA_KEY opens the keys of this database")];
  } catch (error) {
    if (!(error instanceof SystemicError)) throw error;
    return [ill("settings", error.message, "set DATA_KEY to the one this database began with")];
  }
}

async function examineGuards(config: Config, stores: Stores, secrets: Secrets): Promise<Finding[]> {
  const clock = createSystemClock();
  const log = stores.openLog({ clock, logger: silentLogger, memberId: `doctor-${process.pid}` });
  const application = buildApplication({
    config,
    secrets,
    databases: stores.databases,
    log,
    clock,
    logger: silentLogger,
    metrics: createMetrics(),
    processId: `doctor-${process.pid}`,
    ownUrl: () => "",
  });
  try {
    return [
      ...(await application.stopped()).map(stoppedLine),
      ...(await application.uncovered()).map(shortCover),
      ...(await examineStripe(config, application)),
    ];
  } finally {
    await application.close();
    await log.close();
  }
}

async function examineStripe(config: Config, application: Application): Promise<Finding[]> {
  if (config.STRIPE_SECRET_KEY === undefined) return [];
  try {
    await application.prepare({ looking: true });
    return [well("provider", "Stripe's account is one these books may be kept with")];
  } catch (error) {
    if (error instanceof TransientError) {
      return [unreachable("provider", error.message, "look at the way out to Stripe")];
    }
    const remedy = "`app serve` refuses to start until that is mended: docs/providers.md";
    return [ill("provider", textOf(error), remedy)];
  }
}
