/**
 * A network between a Kafka client and a broker that loses answers: it forwards everything, but the
 * answer to a Produce request may be cut off (both connections end) or swallowed (silence), always
 * after the broker wrote the records.
 */
import { connect, createServer, type Server, type Socket } from "node:net";
import type { ISocketFactory } from "kafkajs";

export type Fault = "pass" | "cut" | "swallow";

export interface KafkaProxy {
  /** Sends every connection of a client through the proxy, whatever broker it asks for. */
  readonly socketFactory: ISocketFactory;
  /** Decides the fate of the n-th Produce answer, counted from 1. */
  onProduce: (n: number) => Fault;
  /** How many answers were lost. */
  readonly lost: number;
  close(): Promise<void>;
}

const PRODUCE = 0;

export async function startKafkaProxy(broker: string): Promise<KafkaProxy> {
  const [host = "127.0.0.1", port = "9092"] = broker.split(":");
  const sockets = new Set<Socket>();
  const state = { produced: 0, lost: 0 };
  const server = createServer((client) => {
    const upstream = connect({ host, port: Number(port) });
    const end = (): void => {
      client.destroy();
      upstream.destroy();
    };
    const fates = new Map<number, Fault>();
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", end);
      socket.on("close", () => {
        sockets.delete(socket);
        end();
      });
    }
    client.on(
      "data",
      frames((frame) => {
        if (frame.readInt16BE(4) === PRODUCE) {
          state.produced += 1;
          fates.set(frame.readInt32BE(8), proxy.onProduce(state.produced));
        }
        upstream.write(frame);
      }),
    );
    upstream.on(
      "data",
      frames((frame) => {
        const fate = fates.get(frame.readInt32BE(4)) ?? "pass";
        if (fate === "pass") client.write(frame);
        else state.lost += 1;
        if (fate === "cut") end();
      }),
    );
  });
  const listening = await listen(server);
  const proxy: KafkaProxy = {
    socketFactory: ({ onConnect }) => connect({ host: "127.0.0.1", port: listening }, onConnect),
    onProduce: () => "pass",
    get lost() {
      return state.lost;
    },
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
  return proxy;
}

/** Cuts a byte stream into Kafka's frames, each with its length of four bytes in front. */
function frames(onFrame: (frame: Buffer) => void): (chunk: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 4) {
      const length = rest.readInt32BE(0) + 4;
      if (rest.length < length) return;
      onFrame(rest.subarray(0, length));
      rest = rest.subarray(length);
    }
  };
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      if (address === null || typeof address === "string") reject(new Error("no port"));
      else resolve(address.port);
    });
  });
}
