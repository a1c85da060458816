/**
 * A TCP proxy in front of PostgreSQL that loses a COMMIT on purpose: cut before the server saw it,
 * cut after the server did it, or its answer held back without closing anything.
 */
import { createServer, connect as dial, type Socket } from "node:net";

export type CommitFault = "none" | "cut-before" | "cut-reply" | "silence";

export interface PostgresProxy {
  /** The given URL, through the proxy. */
  readonly url: string;
  /** What happens to the next COMMIT; then the proxy is honest again. */
  breakNextCommit(fault: CommitFault): void;
  /** How many COMMITs were broken so far. */
  broken(): number;
  close(): Promise<void>;
}

export async function createPostgresProxy(target: string): Promise<PostgresProxy> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let fault: CommitFault = "none";
  let broken = 0;

  const take = (): CommitFault => {
    const taken = fault;
    fault = "none";
    if (taken !== "none") broken += 1;
    return taken;
  };

  const server = createServer((client) => {
    const backend = dial(Number(port || 5432), hostname);
    let now: CommitFault = "none";
    const cut = (): void => {
      client.destroy();
      backend.destroy();
    };
    for (const socket of [client, backend]) {
      sockets.add(socket);
      socket.on("error", cut);
      socket.on("close", cut);
    }
    const isCommit = createCommitFinder();
    client.on("data", (bytes: Buffer) => {
      if (isCommit(bytes)) now = take();
      if (now === "cut-before") cut();
      else backend.write(bytes);
    });
    backend.on("data", (bytes: Buffer) => {
      if (now === "cut-reply") cut();
      else if (now !== "silence") client.write(bytes);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no address");
  const url = new URL(target);
  url.host = `127.0.0.1:${address.port}`;

  return {
    url: url.href,
    breakNextCommit: (next) => {
      fault = next;
    },
    broken: () => broken,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** Reads the client's messages; true when the bytes hold a complete `COMMIT` query. */
function createCommitFinder(): (bytes: Buffer) => boolean {
  let rest = Buffer.alloc(0);
  // The first message has no type byte.
  let header = 0;
  return (bytes) => {
    rest = Buffer.concat([rest, bytes]);
    let found = false;
    while (rest.length >= header + 4) {
      const end = header + rest.readUInt32BE(header);
      if (rest.length < end) break;
      const isQuery = header === 1 && rest[0] === 0x51;
      if (isQuery && rest.toString("utf8", 5, end - 1) === "COMMIT") found = true;
      rest = rest.subarray(end);
      header = 1;
    }
    return found;
  };
}
