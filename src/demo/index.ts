/** The stories, and playing them: each in a world of its own, and after each all invariants hold. */
import { openWorld } from "./stage.ts";
import { agreed } from "./stories/agreed.ts";
import { books } from "./stories/books.ts";
import { disputed } from "./stories/disputed.ts";
import { overStripe } from "./stories/stripe.ts";
import { takenBack } from "./stories/taken-back.ts";
import { inUsdc } from "./stories/usdc.ts";
import { type Story, StoryBroken } from "./story.ts";

export { type Story, StoryBroken };

export const stories: readonly Story[] = [
  ...agreed,
  ...overStripe,
  ...inUsdc,
  ...disputed,
  ...takenBack,
  ...books,
];

/** Rejects with StoryBroken when a sentence is not true or an invariant does not hold afterwards. */
export async function playStory(story: Story, line: (sentence: string) => void): Promise<void> {
  const world = await openWorld(line);
  try {
    await story.play(world.stage);
    const broken = (await world.verify()).checks.filter(({ ok }) => !ok);
    const [first] = broken;
    if (first !== undefined) {
      throw new StoryBroken(`${story.name}: ${first.id} does not hold: ${first.detail}`);
    }
    line("every invariant holds");
  } finally {
    await world.close();
  }
}
