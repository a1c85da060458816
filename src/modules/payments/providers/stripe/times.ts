/**
 * Stripe counts seconds of real time; the port speaks business time, which the test clock may have
 * moved ahead. With no test clock both are one.
 */
import type { Clock } from "#platform/clock";

/** A Stripe instant in business time. */
export function fromSeconds(seconds: number, clock: Clock): Date {
  return new Date(seconds * 1_000 + Number(clock.offsetMs()));
}

/** A window of business time as Stripe filters by it: a second too much rather than one too little. */
export function windowOf(
  { from, until }: { readonly from: Date; readonly until: Date },
  clock: Clock,
): { readonly gte: number; readonly lt: number } {
  return {
    gte: Math.floor(realMs(from, clock) / 1_000),
    lt: Math.ceil(realMs(until, clock) / 1_000),
  };
}

export function secondsOf(instant: Date, clock: Clock): number {
  return Math.floor(realMs(instant, clock) / 1_000);
}

function realMs(instant: Date, clock: Clock): number {
  return instant.getTime() - Number(clock.offsetMs());
}
