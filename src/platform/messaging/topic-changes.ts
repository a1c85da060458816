/** What the differences of topics mean: what must not be done unasked, and how each is told. */
import { TerminalError } from "../errors.ts";
import type { TopicChange } from "./event-log.ts";

/** Throws TerminalError for what moves keys to other partitions; fewer partitions no log can have. */
export function refuseReorder(changes: readonly TopicChange[], allowReorder: boolean): void {
  const refused = changes.filter((change) => change.kind === "reorder" && !isGrowth(change));
  const breaking = changes.filter(({ kind }) => kind === "reorder");
  const told = (allowReorder ? refused : breaking).map(reorderText);
  if (told.length > 0) {
    throw new TerminalError(`${told.join("; ")}: a change breaks the order of keys`);
  }
}

function isGrowth({ is, wanted }: TopicChange): boolean {
  return Number(is) < Number(wanted);
}

function reorderText({ topic, is, wanted }: TopicChange): string {
  return `${topic} has ${is} partitions, not ${wanted}`;
}

/** In the words of a command: "create …", "set …". */
export function changeText(change: TopicChange): string {
  const { kind, topic, setting, is, wanted } = change;
  switch (kind) {
    case "create":
      return `create ${topic} with ${wanted} partitions`;
    case "set":
      return `set ${setting}=${wanted} on ${topic} (is ${is ?? "not set"})`;
    case "reorder":
      return isGrowth(change)
        ? `grow ${topic} from ${is} to ${wanted} partitions, which breaks the order of its keys`
        : `make ${topic} anew with ${wanted} partitions: it has ${is}, and none can be taken away`;
    case "replicas":
      return `reassign ${topic} to ${wanted} replicas (has ${is}) by the cluster's own tools`;
  }
}
