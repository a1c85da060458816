/**
 * Which partition or outbox shard a key belongs to: murmur2, as Kafka's Java client computes it,
 * for every writer alike. Two rules would send one escrow's messages to two partitions.
 */

/** Outbox shards: fixed for ever, independent of any topic's partitions. */
export const shardCount = 16;

export function partitionOf(key: string, partitions: number): number {
  return (murmur2(Buffer.from(key, "utf8")) & 0x7fffffff) % partitions;
}

export function shardOf(key: string): number {
  return murmur2(Buffer.from(key, "utf8")) & (shardCount - 1);
}

/** MurmurHash2, 32 bit, seed 0x9747b28c; the result is a signed integer. */
export function murmur2(data: Uint8Array): number {
  const multiplier = 0x5bd1e995;
  const { length } = data;
  const view = new DataView(data.buffer, data.byteOffset, length);
  let hash = 0x9747b28c ^ length;
  const words = length >> 2;
  for (let word = 0; word < words; word++) {
    let k = Math.imul(view.getInt32(word * 4, true), multiplier);
    k = Math.imul(k ^ (k >>> 24), multiplier);
    hash = Math.imul(hash, multiplier) ^ k;
  }
  const rest = length & 3;
  const tail = words * 4;
  if (rest > 2) hash ^= view.getUint8(tail + 2) << 16;
  if (rest > 1) hash ^= view.getUint8(tail + 1) << 8;
  if (rest > 0) hash = Math.imul(hash ^ view.getUint8(tail), multiplier);
  hash = Math.imul(hash ^ (hash >>> 13), multiplier);
  return hash ^ (hash >>> 15);
}
