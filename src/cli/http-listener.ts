/**
 * Binds the port before anything is created, so a busy port leaves no data folder; answers 503 until
 * the application is set.
 */
import { DataDirLocked, dataDirOwner } from "#platform/database/data-dir";
import { SystemicError } from "#platform/errors";
import { problemResponse, unavailable } from "#platform/http/problem";
import { type HttpServer, type ServeOptions, serve } from "#platform/http/serve";
import type { Config } from "../config.ts";
import { ownAddress } from "./own-address.ts";

type App = ServeOptions["app"];

export interface HttpListener {
  readonly url: string;
  readonly http: HttpServer;
  /** From now on this application answers. */
  serve(app: App): void;
}

/** Throws SystemicError when the port is in use, AddressError when it is none of this machine's. */
export function bindListener(config: Config): HttpListener {
  let current: App = { fetch: answerStarting };
  const app: App = { fetch: (request, server) => current.fetch(request, server) };
  const http = orNameOwner(config, () => serve({ app, port: config.PORT, hostname: config.HOST }));
  return {
    url: ownAddress(config.HOST, http.port),
    http,
    serve: (next) => {
      current = next;
    },
  };
}

function answerStarting(): Response {
  return problemResponse(unavailable({}, "Starting: try again."), crypto.randomUUID());
}

/** If the port is held by the process that owns this data folder, name that process. */
function orNameOwner<T>({ embedded, MEMORY, DATA_DIR }: Config, bind: () => T): T {
  try {
    return bind();
  } catch (error) {
    const owner = embedded && !MEMORY ? dataDirOwner(DATA_DIR) : undefined;
    if (error instanceof SystemicError && owner !== undefined) {
      throw new DataDirLocked(DATA_DIR, owner);
    }
    throw error;
  }
}
