/** Bytes to a port, as no client library would send them; what came back, and whether it was the end. */
import { connect } from "node:net";

export interface Spoken {
  /** One for each answer, in order. */
  readonly statuses: readonly number[];
  readonly text: string;
  readonly closed: boolean;
  readonly ms: number;
}

export interface Manner {
  /** Again and again after the rest. */
  readonly drip?: string;
  /** No more is to come from here. */
  readonly ends?: boolean;
  /** What is open by then is left. */
  readonly patienceMs?: number;
}

const pauseMs = 100;

export function speak(
  port: number,
  parts: readonly (string | Uint8Array)[],
  { drip, ends = false, patienceMs = 600 }: Manner = {},
): Promise<Spoken> {
  return new Promise((resolve) => {
    const begun = performance.now();
    let text = "";
    const socket = connect(port, "127.0.0.1");
    socket.setNoDelay(true);
    const timers: NodeJS.Timeout[] = [];
    const told = (closed: boolean) => {
      for (const timer of timers) clearInterval(timer);
      const statuses = [...text.matchAll(/^HTTP\/1\.[01] (\d{3})/gm)].map(([, code]) =>
        Number(code),
      );
      resolve({ statuses, text, closed, ms: performance.now() - begun });
    };
    const write = (part: string | Uint8Array) => {
      if (socket.writable) socket.write(part);
    };
    socket.on("connect", () => {
      parts.forEach((part, at) => {
        timers.push(setTimeout(() => write(part), at * pauseMs));
      });
      if (drip !== undefined) timers.push(setInterval(() => write(drip), 1_000));
      if (ends) timers.push(setTimeout(() => socket.end(), parts.length * pauseMs));
      timers.push(
        setTimeout(
          () => {
            socket.removeAllListeners("close");
            socket.destroy();
            told(false);
          },
          parts.length * pauseMs + patienceMs,
        ),
      );
    });
    socket.on("data", (bytes) => {
      text += bytes.toString("latin1");
    });
    // A reset is an end too, and "close" follows.
    socket.on("error", () => undefined);
    socket.on("close", () => told(true));
  });
}
