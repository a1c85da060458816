/** Numbers and how they are shown: medians of interleaved rounds, each beside its goal or peer. */

/** One line of the table. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What it is held against: a goal, or a peer measured in the same run. */
  readonly against: string;
  readonly other: number;
  /** True where a smaller value is the better one. */
  readonly lowerIsBetter?: boolean;
}

/** What one way of handling commands achieved, topic to topic. */
export interface PipelineResult {
  /** Until the last command's transaction was committed. */
  readonly handledPerS: number;
  /** Until the last message was acknowledged by the topic. */
  readonly publishedPerS: number;
  /** The handling process's own CPU per command: hardly moved by what else runs on the machine. */
  readonly cpuUsPerCommand: number;
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** Above 1 is better than what it is held against. */
function ratioOf({ value, other, lowerIsBetter }: Figure): number {
  return lowerIsBetter ? other / value : value / other;
}

export function table(figures: readonly Figure[]): string {
  const head = ["what", "measured", "held against", "", "ratio"];
  const rows = figures.map((figure) => [
    figure.name,
    `${shown(figure.value)} ${figure.unit}`,
    figure.against,
    `${shown(figure.other)} ${figure.unit}`,
    ratioOf(figure).toFixed(2),
  ]);
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(["---", "--:", "---", "--:", "--:"]), ...rows.map(line)].join("\n");
}

function shown(value: number): string {
  if (value >= 1_000) return Math.round(value).toLocaleString("en");
  return value >= 10 ? value.toFixed(0) : value.toFixed(2);
}

/** Microseconds of this process's own CPU since `since`, per command. */
export function cpuUsPer(commands: number, since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / commands;
}

export interface Countdown {
  /** Resolves to when the last one has passed. */
  readonly done: Promise<number>;
  pass(count: number): void;
}

export function countdown(total: number): Countdown {
  let left = total;
  const { promise: done, resolve } = Promise.withResolvers<number>();
  return {
    done,
    pass: (count) => {
      left -= count;
      if (left <= 0) resolve(performance.now());
    },
  };
}
