/**
 * Cuts rows of one topic into produce requests. Nearly always that is one; the log's limit counts
 * a partition's whole batch, so a request ends before a partition would come near it.
 */
import { partitionOf } from "#platform/messaging/partition";
import { maxPartitionBytes, recordBytes } from "#platform/messaging/record-size";
import { allTopics } from "#topics";
import type { OutboxRow } from "./rows.ts";

const partitions = new Map(allTopics.map((topic) => [topic.name, topic.partitions]));

export function byTopic(rows: readonly OutboxRow[]): Map<string, OutboxRow[]> {
  return Map.groupBy(rows, ({ topic }) => topic);
}

/** In the order of the rows; a row larger than the cap has its partition to itself. */
export function produceRequests(rows: readonly OutboxRow[]): readonly OutboxRow[][] {
  const requests: OutboxRow[][] = [];
  let request: OutboxRow[] = [];
  let bytes = new Map<number, number>();
  for (const row of rows) {
    // A topic that is not in the catalogue is taken for one partition: smaller requests, never too large.
    const partition = partitionOf(row.key, partitions.get(row.topic) ?? 1);
    const size = recordBytes(row);
    const before = bytes.get(partition) ?? 0;
    if (before > 0 && before + size > maxPartitionBytes) {
      requests.push(request);
      request = [];
      bytes = new Map();
    }
    bytes.set(partition, (bytes.get(partition) ?? 0) + size);
    request.push(row);
  }
  if (request.length > 0) requests.push(request);
  return requests;
}
