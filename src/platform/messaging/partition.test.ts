import { expect, test } from "bun:test";
import { createRequire } from "node:module";
import { murmur2, partitionOf, shardOf } from "./partition.ts";

// The client's own implementation is the reference: what it computes is where Kafka's clients write.
const reference: (key: Buffer) => number = createRequire(import.meta.url)(
  "kafkajs/src/producer/partitioners/default/murmur2",
);

test("known vectors of the Java client", () => {
  const vectors: [string, number][] = [
    ["21", -973932308],
    ["foobar", -790332482],
    ["a-little-bit-long-string", -985981536],
    ["a-little-bit-longer-string", -1486304829],
    ["lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971],
    ["abc", 479470107],
  ];
  for (const [text, hash] of vectors) expect(murmur2(Buffer.from(text))).toBe(hash);
});

test("agrees with the Kafka client over many keys", () => {
  for (let i = 0; i < 2_000; i++) {
    const key = `esc_${(i * 2_654_435_761).toString(16)}`;
    expect(murmur2(Buffer.from(key))).toBe(reference(Buffer.from(key)));
    expect(partitionOf(key, 12)).toBeLessThan(12);
    expect(shardOf(key)).toBeLessThan(16);
  }
});
