/** What a broker says it can speak, and what follows from that for the release it is of. */

/** The lowest and highest version of each request, by its number. */
export type Versions = ReadonlyMap<number, { readonly min: number; readonly max: number }>;

export function readVersions(answer: Buffer): Versions {
  const versions = new Map<number, { min: number; max: number }>();
  const count = answer.readInt32BE(2);
  for (let index = 0; index < count; index += 1) {
    const at = 6 + index * 6;
    const min = answer.readInt16BE(at + 2);
    versions.set(answer.readInt16BE(at), { min, max: answer.readInt16BE(at + 4) });
  }
  return versions;
}

const fetch = 1;
const produce = 0;

/**
 * Brokers do not tell their release; what they speak does, roughly. Undefined for one that is older
 * than any we know to work.
 */
export function releaseOf(versions: Versions): string | undefined {
  const newest = versions.get(fetch)?.max ?? 0;
  // From 4.0 on the oldest versions are no longer spoken.
  if ((versions.get(fetch)?.min ?? 0) >= 4) return "4.0 or newer";
  if (newest >= 15) return "3.5 to 3.9";
  if (newest >= 12 && (versions.get(produce)?.max ?? 0) >= 9) return "2.7 to 3.4";
  return undefined;
}
