/**
 * Names of the environment that are nearly a setting's. The environment holds other programs' names
 * too, so none is refused; but a limit that is misspelled is a limit that is off.
 */
import { nearestSetting } from "./nearest.ts";

export interface Misspelled {
  readonly name: string;
  readonly meant: string;
}

const shortest = 8;

export function misspelled(
  environment: Readonly<Record<string, string | undefined>>,
  settings: readonly string[],
): Misspelled[] {
  const known = new Set(settings.flatMap((name) => [name, `${name}_FILE`]));
  return Object.keys(environment)
    .filter((name) => name.length >= shortest && !known.has(name))
    .flatMap((name) => {
      const meant = nearestSetting(name, settings);
      return meant === undefined ? [] : [{ name, meant }];
    });
}
