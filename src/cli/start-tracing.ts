/** Tracing as the settings want it; without a collector nothing of it is loaded. */
import type { Clock } from "#platform/clock";
import type { Logger } from "#platform/telemetry/logger";
import { passingTracer, type Tracer } from "#platform/telemetry/tracing";
import type { Config } from "../config.ts";
import { tracingConfig } from "../settings/tracing.ts";
import { version } from "../version.ts";

export interface StartTracing {
  readonly config: Config;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly processId: string;
}

export async function startTracing(options: StartTracing): Promise<Tracer> {
  const { config, clock, logger, processId } = options;
  const wanted = tracingConfig(config);
  if (wanted === undefined) return passingTracer;
  const { createOtelTracer } = await import("#platform/telemetry/otel");
  const resource = {
    "service.version": version,
    "service.instance.id": processId,
    "deployment.environment.name": config.APP_ENV,
    "app.role": config.APP_ROLE.join(","),
    ...wanted.resource,
  };
  return createOtelTracer({ ...wanted, resource, clock, logger });
}
