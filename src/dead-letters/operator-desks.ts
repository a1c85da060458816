/** What operators do about messages that do not get through: one desk for readers, one for the outboxes. */
import { Hono } from "hono";
import type { HttpEnv } from "#platform/module";
import { createLetterDesk, type LetterDesk, type LetterDeskOptions } from "./desk.ts";
import { createHeldDesk, type HeldDesk, type HeldDeskOptions } from "./held-desk.ts";
import { heldRoutes } from "./held-routes.ts";
import { letterRoutes } from "./routes.ts";

export interface OperatorDesks {
  readonly letters: LetterDesk;
  readonly held: HeldDesk;
  readonly routes: Hono<HttpEnv>;
}

export function createOperatorDesks(options: LetterDeskOptions & HeldDeskOptions): OperatorDesks {
  const letters = createLetterDesk(options);
  const held = createHeldDesk(options);
  const routes = new Hono<HttpEnv>()
    .route("/", letterRoutes(letters, options.clock))
    .route("/", heldRoutes(held));
  return { letters, held, routes };
}
