/** Stripe counts seconds of real time. */
import type { Clock } from "#platform/clock";
import { businessTime, realTime } from "../real-time.ts";

/** A Stripe instant in business time. */
export function fromSeconds(seconds: number, clock: Clock): Date {
  return businessTime(new Date(seconds * 1_000), clock);
}

/** A window of business time as Stripe filters by it: a second too much rather than one too little. */
export function windowOf(
  { from, until }: { readonly from: Date; readonly until: Date },
  clock: Clock,
): { readonly gte: number; readonly lt: number } {
  return {
    gte: Math.floor(realTime(from, clock).getTime() / 1_000),
    lt: Math.ceil(realTime(until, clock).getTime() / 1_000),
  };
}

export function secondsOf(instant: Date, clock: Clock): number {
  return Math.floor(realTime(instant, clock).getTime() / 1_000);
}
