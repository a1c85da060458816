/**
 * The port, taken before anything else is made: one that is in use leaves no data folder behind. Who
 * comes before the program is there is told to come again.
 */
import { DataDirLocked, dataDirOwner } from "#platform/database/data-dir";
import { SystemicError } from "#platform/errors";
import { problemResponse, unavailable } from "#platform/http/problem";
import { type HttpServer, type ServeOptions, serve } from "#platform/http/serve";
import type { Config } from "../config.ts";
import { ownAddress } from "./own-address.ts";

type App = ServeOptions["app"];

export interface Door {
  readonly url: string;
  readonly http: HttpServer;
  /** From now on requests are this one's. */
  open(app: App): void;
}

/** Throws SystemicError when the port is in use, AddressError when it is none of this machine's. */
export function takeDoor(config: Config): Door {
  let behind: App = { fetch: early };
  const app: App = { fetch: (request, server) => behind.fetch(request, server) };
  const http = orOwner(config, () => serve({ app, port: config.PORT, hostname: config.HOST }));
  return {
    url: ownAddress(config.HOST, http.port),
    http,
    open: (next) => {
      behind = next;
    },
  };
}

function early(): Response {
  return problemResponse(unavailable({}, "Starting: try again."), crypto.randomUUID());
}

/** Whoever starts the program a second time has taken the port himself: his first one is named. */
function orOwner<T>({ embedded, MEMORY, DATA_DIR }: Config, take: () => T): T {
  try {
    return take();
  } catch (error) {
    const owner = embedded && !MEMORY ? dataDirOwner(DATA_DIR) : undefined;
    if (error instanceof SystemicError && owner !== undefined) {
      throw new DataDirLocked(DATA_DIR, owner);
    }
    throw error;
  }
}
