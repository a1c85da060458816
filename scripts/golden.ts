/**
 * Adds golden bytes to test/golden: one message of every type, as it is written today, that is not
 * there yet. What is there is what topics hold for ever, and is never changed.
 */
import {
  pathOf,
  readGolden,
  samplesOf,
  topicsWithGolden,
  withAdditions,
} from "../test/golden/samples.ts";

for (const topic of topicsWithGolden) {
  const kept = await readGolden(topic);
  const all = withAdditions(kept, samplesOf(topic));
  if (all.length === kept.length) continue;
  await Bun.write(pathOf(topic), all.map((line) => `${JSON.stringify(line)}\n`).join(""));
  console.log(`${topic.name}: ${all.length - kept.length} added, ${all.length} in all`);
}
