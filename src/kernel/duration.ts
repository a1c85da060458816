/**
 * ISO 8601 durations of fixed length (weeks, days, hours, minutes, seconds) in milliseconds, and
 * arithmetic on instants. Months and years are refused: their length depends on where one stands.
 */
import { type Timestamp, timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";

const pattern =
  /^P(?:(\d{1,6})W|(?:(\d{1,6})D)?(?:T(?=\d)(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,9})S)?)?)$/;
const unitsMs = [604_800_000n, 86_400_000n, 3_600_000n, 60_000n, 1_000n] as const;

/** Milliseconds of "P7D", "PT72H", "P1DT12H"; undefined when it is not such a duration. */
export function parseDuration(text: string): bigint | undefined {
  const parts = pattern.exec(text)?.slice(1);
  if (!parts?.some((part) => part !== undefined)) return undefined;
  return unitsMs.reduce((sum, unit, i) => sum + BigInt(parts[i] ?? 0) * unit, 0n);
}

/** To the nearest second, "P7DT2H"; "PT0S" for less than half of one. */
export function formatDuration(ms: bigint): string {
  const [, ...units] = unitsMs;
  let rest = ms + 500n;
  const [days, ...time] = units.map((unit, index) => {
    const count = rest / unit;
    rest -= count * unit;
    return count === 0n ? "" : `${count}${"DHMS"[index]}`;
  });
  const clock = time.join("");
  const text = `${days}${clock === "" ? "" : `T${clock}`}`;
  return text === "" ? "PT0S" : `P${text}`;
}

export function addMs(at: Timestamp, ms: bigint): Timestamp {
  return timestampFromMs(timestampMs(at) + Number(ms));
}

/** Milliseconds from `from` to `to`; negative when `to` is earlier. */
export function msBetween(from: Timestamp, to: Timestamp): bigint {
  return BigInt(timestampMs(to) - timestampMs(from));
}

export function isAfter(a: Timestamp, b: Timestamp): boolean {
  return timestampMs(a) > timestampMs(b);
}
