/** What the workers of payments need: operations, sync and readiness are built from the same parts. */
import type { Clock } from "#platform/clock";
import type { Database } from "#platform/database/database";
import type { Outbox } from "#platform/messaging/outbox";
import type { Logger } from "#platform/telemetry/logger";
import type { Tracer } from "#platform/telemetry/tracing";
import type { CallFigures } from "./calls/call-figures.ts";
import type { Providers } from "./provider.ts";

export interface PaymentWorkerDeps {
  readonly db: Database;
  readonly outbox: Outbox;
  readonly providers: Providers;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly tracer?: Tracer | undefined;
  /** Of what a seller would be paid, at most this part is kept against his debt; 100 unless said. */
  readonly nettingPercent?: number | undefined;
  readonly figures?: CallFigures | undefined;
}
