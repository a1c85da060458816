/**
 * Which partition or outbox shard a key belongs to: murmur2, as Kafka's Java client computes it,
 * for every writer alike. Two rules would send one escrow's messages to two partitions.
 */

/** Outbox shards: fixed for ever, independent of any topic's partitions. */
export const shardCount = 16;

export function partitionOf(key: string, partitions: number): number {
  return (hashOf(key) & 0x7fffffff) % partitions;
}

export function shardOf(key: string): number {
  return hashOf(key) & (shardCount - 1);
}

const encoder = new TextEncoder();
const scratch = new Uint8Array(512);

/** Each message asks for its key several times: usual keys are encoded without a new buffer. */
function hashOf(key: string): number {
  // UTF-8 takes at most three bytes for a UTF-16 unit.
  if (key.length * 3 > scratch.length) return murmur2(encoder.encode(key));
  return murmur2(scratch, encoder.encodeInto(key, scratch).written);
}

/** MurmurHash2, 32 bit, seed 0x9747b28c; the result is a signed integer. */
export function murmur2(data: Uint8Array, length = data.length): number {
  const multiplier = 0x5bd1e995;
  const at = (index: number): number => data[index] ?? 0;
  let hash = 0x9747b28c ^ length;
  const words = length >> 2;
  for (let word = 0; word < words; word++) {
    const i = word * 4;
    const bits = at(i) | (at(i + 1) << 8) | (at(i + 2) << 16) | (at(i + 3) << 24);
    let k = Math.imul(bits, multiplier);
    k = Math.imul(k ^ (k >>> 24), multiplier);
    hash = Math.imul(hash, multiplier) ^ k;
  }
  const rest = length & 3;
  const tail = words * 4;
  if (rest > 2) hash ^= at(tail + 2) << 16;
  if (rest > 1) hash ^= at(tail + 1) << 8;
  if (rest > 0) hash = Math.imul(hash ^ at(tail), multiplier);
  hash = Math.imul(hash ^ (hash >>> 13), multiplier);
  return hash ^ (hash >>> 15);
}
