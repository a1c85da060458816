/**
 * Speaks the PostgreSQL protocol with PGlite over its one connection: a statement seen before is
 * one bind and execute instead of PGlite's own parse, describe, bind and execute. The caller makes
 * sure that only one call runs at a time.
 */
import { type PGlite, protocol } from "@electric-sql/pglite";
import { SystemicError } from "../errors.ts";
import { columnParsers } from "./column-types.ts";
import { sqlState } from "./database-error.ts";
import { stoppedBy } from "./pglite-failure.ts";
import type { Run, Session } from "./queryable.ts";

interface Column {
  readonly name: string;
  readonly type: number;
}

interface Prepared {
  readonly name: string;
  readonly columns: readonly Column[];
}

type Message = Awaited<ReturnType<PGlite["execProtocolStream"]>>[number];

type Connection = Pick<PGlite, "execProtocolStream" | "isInTransaction">;

/** Statements kept prepared; the oldest goes first. Hot texts are a few dozen. */
const maxKept = 500;
/** "cached plan must not change result type" */
const tableChanged = "0A000";
const { serialize } = protocol;

export interface PgliteSession extends Session {
  /** True once the database cannot go on; every call is refused from then. */
  stopped(): boolean;
}

export function createPgliteSession(pg: Connection, location: string): PgliteSession {
  const prepared = new Map<string, Prepared>();
  let made = 0;
  let stopped: SystemicError | undefined;

  async function send(...messages: Uint8Array[]): Promise<Message[]> {
    if (stopped !== undefined) throw stopped;
    try {
      return await pg.execProtocolStream(Buffer.concat(messages), { syncToFs: false });
    } catch (error) {
      stopped = stoppedBy(error, location);
      throw stopped ?? error;
    }
  }

  async function forget(text: string, name: string): Promise<void> {
    prepared.delete(text);
    await send(serialize.close({ type: "S", name }), serialize.sync());
  }

  async function first(query: Run): Promise<unknown[]> {
    made += 1;
    const name = query.prepare ? `s${made}` : "";
    const messages = await send(
      serialize.parse({ text: query.text, name }),
      serialize.describe({ type: "S", name }),
      serialize.bind({ statement: name, values: [...query.params] }),
      serialize.execute({}),
      serialize.sync(),
    ).catch(async (error: unknown) => {
      if (query.prepare) await forget(query.text, name);
      throw error;
    });
    const columns = columnsOf(messages);
    if (query.prepare) await keep(query.text, { name, columns });
    return rowsOf(messages, columns, query.rows);
  }

  async function keep(text: string, statement: Prepared): Promise<void> {
    prepared.set(text, statement);
    const oldest = prepared.size > maxKept ? prepared.entries().next().value : undefined;
    if (oldest !== undefined) await forget(oldest[0], oldest[1].name);
  }

  async function again(query: Run, { name, columns }: Prepared): Promise<unknown[]> {
    const messages = await send(
      serialize.bind({ statement: name, values: [...query.params] }),
      serialize.execute({}),
      serialize.sync(),
    );
    return rowsOf(messages, columns, query.rows);
  }

  /** A statement that fails has a second call to make: those started beside it come after that. */
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const turn = last.then(work);
    last = turn.catch(() => undefined);
    return turn;
  };

  return {
    run: (query) =>
      inTurn(async () => {
        const known = query.prepare ? prepared.get(query.text) : undefined;
        if (known === undefined) return first(query);
        try {
          return await again(query, known);
        } catch (error) {
          if (sqlState(error) !== tableChanged) throw error;
          await forget(query.text, known.name);
          // Within a transaction it has failed already; the next one prepares the statement anew.
          if (!pg.isInTransaction()) return first(query);
          throw error;
        }
      }),
    script: (text) => inTurn(async () => commandTag(await send(serialize.query(text)))),
    abandon: (cause) => {
      stopped ??= new SystemicError("the embedded database could not roll back", { cause });
    },
    stopped: () => stopped !== undefined,
  };
}

function columnsOf(messages: readonly Message[]): Column[] {
  for (const message of messages) {
    if (message instanceof protocol.messages.RowDescriptionMessage) {
      return message.fields.map(({ name, dataTypeID }) => ({ name, type: dataTypeID }));
    }
  }
  return [];
}

function rowsOf(
  messages: readonly Message[],
  columns: readonly Column[],
  as: Run["rows"],
): unknown[] {
  const rows: unknown[] = [];
  for (const message of messages) {
    if (!(message instanceof protocol.messages.DataRowMessage)) continue;
    const values = columns.map(({ type }, index) => {
      const text = message.fields[index] ?? null;
      if (text === null) return null;
      // Not `??`: a jsonb null is a value of its own.
      const parse = columnParsers.get(type);
      return parse ? parse(text) : text;
    });
    if (as === "arrays") rows.push(values);
    else rows.push(Object.fromEntries(columns.map(({ name }, index) => [name, values[index]])));
  }
  return rows;
}

function commandTag(messages: readonly Message[]): string {
  let tag = "";
  for (const message of messages) {
    if (message instanceof protocol.messages.CommandCompleteMessage) tag = message.text;
  }
  return tag;
}
