/**
 * The three requests that tell what stands behind an address, written and read by hand: the client
 * only says that a connection failed, and the reason of a failed one is what is wanted here.
 */
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { type KafkaTls, tlsOptions } from "./sockets.ts";

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** What ended a conversation: a code of the system or of TLS, or one of our own below. */
export class WireError extends Error {
  override readonly name = "WireError";
  readonly code: string;
  /** TCP, and TLS where it was asked for, had been established. */
  readonly established: boolean;
  constructor(code: string, message: string, established: boolean) {
    super(message);
    this.code = code;
    this.established = established;
  }
}

export interface Conversation {
  /** Rejects with a WireError: CLOSED, SILENT, NOT_KAFKA, or the code of the connection's error. */
  ask(apiKey: number, version: number, body?: Buffer): Promise<Buffer>;
  end(): void;
}

const correlationId = 1_886_544_228;
const largestAnswer = 1_048_576;

export const apiVersions = 18;
export const saslHandshake = 17;

export async function converse(
  address: Address,
  tls: (KafkaTls & { readonly rejectUnauthorized?: boolean }) | undefined,
  timeoutMs: number,
): Promise<Conversation> {
  let established = false;
  let waiting: { resolve: (answer: Buffer) => void; reject: (error: Error) => void } | undefined;
  let failure: WireError | undefined;
  let received: Buffer = Buffer.alloc(0);
  const socket = open(address, tls);
  const fail = (code: string, message: string): void => {
    failure ??= new WireError(code, message, established);
    waiting?.reject(failure);
    socket.destroy();
  };
  const wait = (): Promise<Buffer> =>
    new Promise((resolve, reject) => {
      if (failure !== undefined) return reject(failure);
      const late = setTimeout(() => fail("SILENT", `no answer within ${timeoutMs} ms`), timeoutMs);
      const settled = () => {
        clearTimeout(late);
        waiting = undefined;
      };
      waiting = {
        resolve: (answer) => {
          settled();
          resolve(answer);
        },
        reject: (error) => {
          settled();
          reject(error);
        },
      };
    });
  socket.on("error", (error: NodeJS.ErrnoException) => fail(error.code ?? "ERROR", error.message));
  socket.on("end", () => setTimeout(() => fail("CLOSED", "the connection was closed"), 20));
  socket.on("data", (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    const frame = frameOf(received);
    if (frame === "none") fail("NOT_KAFKA", received.subarray(0, 16).toString("latin1"));
    if (typeof frame === "string") return;
    received = Buffer.alloc(0);
    waiting?.resolve(frame);
  });
  const opened = wait();
  socket.on(tls === undefined ? "connect" : "secureConnect", () => {
    established = true;
    waiting?.resolve(Buffer.alloc(0));
  });
  await opened;
  return {
    ask(apiKey, version, body = Buffer.alloc(0)) {
      const answer = wait();
      if (failure === undefined) socket.write(request(apiKey, version, body));
      return answer;
    },
    end: () => socket.destroy(),
  };
}

function open({ host, port }: Address, tls: KafkaTls | undefined): Socket {
  return tls === undefined
    ? connect({ host, port })
    : connectTls({ host, port, ...tlsOptions(host, tls) });
}

function request(apiKey: number, version: number, body: Buffer): Buffer {
  const head = Buffer.alloc(10);
  head.writeInt16BE(apiKey, 0);
  head.writeInt16BE(version, 2);
  head.writeInt32BE(correlationId, 4);
  // No client id.
  head.writeInt16BE(-1, 8);
  const size = Buffer.alloc(4);
  size.writeInt32BE(head.length + body.length);
  return Buffer.concat([size, head, body]);
}

export function textField(text: string): Buffer {
  const size = Buffer.alloc(2);
  size.writeInt16BE(Buffer.byteLength(text));
  return Buffer.concat([size, Buffer.from(text)]);
}

/** The answer behind its length and number; "none" when it cannot be Kafka's. */
function frameOf(received: Buffer): Buffer | "more" | "none" {
  if (received.length < 4) return "more";
  const size = received.readInt32BE(0);
  if (size < 4 || size > largestAnswer) return "none";
  if (received.length >= 8 && received.readInt32BE(4) !== correlationId) return "none";
  return received.length < size + 4 ? "more" : received.subarray(8, size + 4);
}
