/** Forms that settings of several subjects have: whole numbers, one of some words, yes or no. */
import { z } from "zod";

export const whole = (min: number, max: number) =>
  z
    .string()
    .refine((text) => /^\d{1,9}$/.test(text) && Number(text) >= min && Number(text) <= max, {
      error: `a whole number from ${min} to ${max}`,
    })
    .transform(Number);

export const oneOf = <const T extends readonly [string, ...string[]]>(names: T) =>
  z.enum(names, { error: `one of ${names.join(", ")}` });

export const yesNo = oneOf(["true", "false", "1", "0", "yes", "no"]).transform((v) =>
  /^(true|1|yes)$/.test(v),
);
