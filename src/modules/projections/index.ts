/**
 * The face of the projections: query routes, the handlers that fill the read models, and the wait
 * for a command's outcome.
 */
import type { Timeline } from "#gen/escrow/v1/queries_pb";
import type { Clock } from "#platform/clock";
import type { Database } from "#platform/database/database";
import type { Outcomes } from "#platform/http/outcomes";
import type { EventLog } from "#platform/messaging/event-log";
import type { Module } from "#platform/module";
import type { Logger } from "#platform/telemetry/logger";
import { mayRead } from "./access.ts";
import { projectionChecks } from "./checks.ts";
import { projectionHandlers } from "./consumers.ts";
import { createQueryRoutes, timelineOfEscrow } from "./http.ts";
import { createOutcomePoller } from "./outcome-poller.ts";
import { createPageCursors } from "./page-cursor.ts";
import { findRecord } from "./queries.ts";
import { type RebuildReport, rebuild } from "./rebuild.ts";
import { liveSchema, readModelsIn } from "./tables.ts";
import { type AllowedActions, type Texts, viewOf } from "./views.ts";
import { type WaitingEscrow, waitingEscrows } from "./waiting-escrows.ts";

export type { RebuildReport } from "./rebuild.ts";

export interface ProjectionsDeps {
  readonly db: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly texts: Texts;
  /** Signs cursors. */
  readonly cursorKey: Uint8Array;
  readonly allowedActions: AllowedActions;
}

export interface ProjectionsModule extends Module {
  readonly outcomes: Outcomes;
  /** The deals that wait for an operator, in no order. */
  waitingEscrows(): Promise<readonly WaitingEscrow[]>;
  /** An escrow's story, as operators may read it; undefined where there is no such escrow. */
  timeline(escrowId: string): Promise<Timeline | undefined>;
  /** Makes the read models anew from the topics and swaps them in. */
  rebuild(log: EventLog): Promise<RebuildReport>;
  close(): void;
}

export function createProjections(deps: ProjectionsDeps): ProjectionsModule {
  const { db, clock, cursorKey, logger } = deps;
  const poller = createOutcomePoller({ db, clock });
  const handlers = projectionHandlers(readModelsIn(liveSchema));
  return {
    name: "projections",
    routes: createQueryRoutes({ ...deps, cursors: createPageCursors(cursorKey) }),
    handlers: Object.values(handlers),
    workers: [],
    checks: projectionChecks(db),
    timeline: async (escrowId) => {
      const record = await findRecord(db, escrowId);
      return record && timelineOfEscrow(deps, record.escrowId);
    },
    rebuild: (log) => rebuild({ db, log, logger }),
    outcomes: {
      find: poller.find,
      wait: poller.wait,
      async view(escrowId, principal) {
        const record = await findRecord(db, escrowId);
        return record && mayRead(record, principal) ? viewOf(record, principal, deps) : undefined;
      },
    },
    waitingEscrows: () => waitingEscrows(db),
    close: poller.close,
  };
}
