/** The simulated custodian's book: what it keeps, and how it tells and counts what happens. */
import { createHash } from "node:crypto";
import type {
  CustodianEvent,
  DepositAddress,
  Movement,
  PayoutAddress,
  Withdrawal,
} from "./objects.ts";
import { Refusal } from "./refusal.ts";

export interface BookOptions {
  readonly now: () => Date;
  readonly chainId: string;
  readonly live: boolean;
  readonly onEvent: (event: CustodianEvent) => void;
}

export interface Settings {
  /** Taken off a deposit when it becomes final, units. */
  depositFee: bigint;
  /** Taken for a withdrawal, units. */
  networkFee: bigint;
  /** How many confirmations make a withdrawal final. */
  withdrawalConfirmations: number;
  /** False: new payout addresses wait for somebody to approve them. */
  approvesAddresses: boolean;
}

export interface Book {
  readonly chainId: string;
  readonly settings: Settings;
  readonly addresses: Map<string, DepositAddress>;
  readonly withdrawals: Map<string, Withdrawal>;
  readonly payoutAddresses: Map<string, PayoutAddress>;
  /** Deposits that were final and are gone, by the reversion's id. */
  readonly reversions: Map<string, string>;
  /** Withdrawals to these addresses fail, with the code. */
  readonly failing: Map<string, string>;
  readonly events: CustodianEvent[];
  readonly movements: Movement[];
  /** The last block's number. */
  head: number;
  idOf(prefix: string): string;
  tell(type: string, objectId: string): void;
  move(line: Omit<Movement, "id" | "at">): void;
}

export function createBook({ now, chainId, live, onEvent }: BookOptions): Book {
  const events: CustodianEvent[] = [];
  const movements: Movement[] = [];
  let count = 0;
  const idOf = (prefix: string) => {
    count += 1;
    return `${prefix}_${digestOf(`${prefix} ${count}`).slice(0, 24)}`;
  };
  return {
    chainId,
    settings: {
      depositFee: 0n,
      networkFee: 0n,
      withdrawalConfirmations: 2,
      approvesAddresses: true,
    },
    addresses: new Map(),
    withdrawals: new Map(),
    payoutAddresses: new Map(),
    reversions: new Map(),
    failing: new Map(),
    events,
    movements,
    head: 1_000,
    idOf,
    tell: (type, objectId) => {
      const event = { id: idOf("evt"), type, objectId, createdAt: now().toISOString(), live };
      events.push(event);
      onEvent(event);
    },
    move: (line) => {
      movements.push({ id: idOf("mov"), at: now().toISOString(), ...line });
    },
  };
}

export function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

export function depositAddressIn({ addresses }: Pick<Book, "addresses">, id: string) {
  const there = addresses.get(id);
  if (there === undefined) throw new Refusal(404, "NOT_FOUND");
  return there;
}
