/** Names the tables of a module's schema in which a consumer keeps where it stands and what it set aside. */
import { SqlName } from "../database/database.ts";

export interface ConsumerTables {
  readonly cursor: SqlName;
  readonly blockedKey: SqlName;
  readonly parked: SqlName;
}

export function consumerTables(schema: string): ConsumerTables {
  return {
    cursor: new SqlName(schema, "consumer_cursor"),
    blockedKey: new SqlName(schema, "blocked_key"),
    parked: new SqlName(schema, "parked"),
  };
}

/** A partition as one consumer reads it: the key of its cursor row. */
export interface Place {
  readonly consumer: string;
  readonly topic: string;
  readonly partition: number;
}
