import { expect, test } from "bun:test";
import { playStory, type Story, StoryBroken, stories } from "../../src/demo/index.ts";

for (const story of stories) {
  test(`story ${story.name}: ${story.title}`, async () => {
    const told: string[] = [];
    await playStory(story, (sentence) => told.push(sentence));
    expect(told.at(-1)).toBe("every invariant holds");
  }, 60_000);
}

test("a sentence that is not true ends the story", async () => {
  const lie: Story = {
    name: "lie",
    title: "A lie",
    play: async (stage) => stage.expect("money grows", { held: "1" }, { held: "2" }),
  };
  expect(await playStory(lie, () => undefined).catch((error: unknown) => error)).toBeInstanceOf(
    StoryBroken,
  );
});
