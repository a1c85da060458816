/**
 * Makes the connections to the brokers, TLS or not. Certificates are read for each connection, so
 * that a renewed one is used without a restart; how connections fare is told to an observer.
 */
import { connect, isIP } from "node:net";
import { connect as connectTls } from "node:tls";
import type { ISocketFactory } from "kafkajs";

export interface KafkaTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** Counts what happens to connections and memberships, for the metrics. */
export interface KafkaObserver {
  connected(): void;
  /** `type` is a word of a small set: the system's or TLS's code of the error. */
  connectionFailed(type: string): void;
  producerFailed(): void;
  /** A member of ours has joined the group, at first or anew: its partitions were divided. */
  rebalanced(group: string): void;
}

const keepAliveMs = 60_000;
const endedText = "the broker closed the connection before it was ready";

export function createKafkaSockets(
  tls: (() => KafkaTls) | undefined,
  observer: KafkaObserver | undefined,
): ISocketFactory {
  return ({ host, port, onConnect }) => {
    let open = false;
    const connected = (): void => {
      open = true;
      observer?.connected();
      onConnect();
    };
    const socket =
      tls === undefined
        ? connect({ host, port }, connected)
        : connectTls({ host, port, ...tlsOptions(host, tls()) }, connected);
    socket.setKeepAlive(true, keepAliveMs);
    socket.once("close", (failed) => {
      if (!open && !failed) observer?.connectionFailed("ESILENT");
    });
    socket.once("error", (error: NodeJS.ErrnoException) => {
      observer?.connectionFailed(error.code ?? "UNKNOWN");
    });
    // The client waits for ever for a connection that ends before it began.
    socket.once("end", () => {
      if (!open) socket.destroy(Object.assign(new Error(endedText), { code: "ECLOSED" }));
    });
    return socket;
  };
}

/** An address is no name that a certificate could be asked for by SNI. */
export function tlsOptions(host: string, tls: KafkaTls) {
  return { ...tls, ...(isIP(host) === 0 && { servername: host }) };
}
