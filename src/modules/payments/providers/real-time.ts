/**
 * Providers that are others' live in real time; the port speaks business time, which the test clock
 * may have moved ahead. With no test clock both are one.
 */
import type { Clock } from "#platform/clock";

export function businessTime(real: Date, clock: Pick<Clock, "offsetMs">): Date {
  return new Date(real.getTime() + Number(clock.offsetMs()));
}

export function realTime(instant: Date, clock: Pick<Clock, "offsetMs">): Date {
  return new Date(instant.getTime() - Number(clock.offsetMs()));
}
