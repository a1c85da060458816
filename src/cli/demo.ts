/** `app demo`: plays the stories in memory, in seconds, and says what happened. */
import { playStory, stories } from "../demo/index.ts";
import { ExitError } from "./exit.ts";

/** What one takes on an ordinary machine. */
const secondsEach = 4;

export interface DemoOptions {
  readonly story?: string;
  readonly list?: boolean;
}

export async function runDemo({ story: name, list }: DemoOptions): Promise<void> {
  const out = (text: string) => process.stdout.write(`${text}\n`);
  if (list) {
    for (const story of stories) out(`${story.name.padEnd(28)}${story.title}`);
    return;
  }
  const asked = name === undefined ? stories : stories.filter((story) => story.name === name);
  if (asked.length === 0) throw new ExitError(2, `no story ${name}: see app demo --list`);
  const about = Math.ceil((asked.length * secondsEach) / 10) * 10;
  out(`${storiesOf(asked.length)}, about ${about} seconds; each in a world of its own, in memory`);
  for (const [index, story] of asked.entries()) {
    out(`\n[${index + 1}/${asked.length}] ${story.title} (${story.name})`);
    await playStory(story, (sentence) => out(`  ${sentence}`));
  }
  out(`\n${storiesOf(asked.length)} told, each true`);
}

function storiesOf(count: number): string {
  return `${count} ${count === 1 ? "story" : "stories"}`;
}
