/** Forms that settings have: whole numbers, one of some words, yes or no, an address to listen on. */
import { isIP } from "node:net";
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

const hostName = /^(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9])?\.)*[a-z](?:[a-z0-9-]*[a-z0-9])?\.?$/i;

/** Whether it is this machine's, only listening on it shows. */
export const address = z.string().refine((text) => isIP(text) !== 0 || hostName.test(text), {
  error: "an address of this machine such as 127.0.0.1, 0.0.0.0 or ::, or its name",
});
