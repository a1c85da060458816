/** `app demo`: plays the stories in memory, in seconds, and says what happened. */
import { playStory, stories } from "../demo/index.ts";
import { ExitError } from "./exit.ts";

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
  for (const story of asked) {
    out(`\n${story.title} (${story.name})`);
    await playStory(story, (sentence) => out(`  ${sentence}`));
  }
  out(`\n${asked.length} ${asked.length === 1 ? "story" : "stories"} told, each true`);
}
