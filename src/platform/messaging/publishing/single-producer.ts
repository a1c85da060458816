/**
 * A producer that survives rejections. A rejected send leaves a client's sequence numbers wrong,
 * and later records would be acknowledged and lost: so the producer that rejected is thrown away.
 * Whoever sends awaits each send before the next one, whatever its own deadlines are.
 */
import type { AppendedRecord, EventLog, LogProducer, NewRecord } from "../event-log.ts";

export interface SingleProducer {
  /** Rejects as LogProducer.send does; the next call goes through a new producer. */
  send(records: readonly NewRecord[]): Promise<readonly AppendedRecord[]>;
  close(): Promise<void>;
}

export function createSingleProducer(log: Pick<EventLog, "createProducer">): SingleProducer {
  let producer: LogProducer | undefined;
  let sending = false;
  return {
    send: async (records) => {
      if (sending) throw new Error("a second send was begun while one is in flight");
      sending = true;
      producer ??= log.createProducer();
      const current = producer;
      try {
        return await current.send(records);
      } catch (error) {
        producer = undefined;
        // Not awaited: it may take seconds, and nothing depends on it.
        current.close().catch(() => undefined);
        throw error;
      } finally {
        sending = false;
      }
    },
    close: async () => {
      await producer?.close();
      producer = undefined;
    },
  };
}
