/**
 * What the platform knows of a topic: its one message type, and how key, id and type are read from
 * a message. The catalogue of the product's topics is src/topics.ts.
 */
import type { DescMessage, Message, MessageShape } from "@bufbuild/protobuf";
import type { GenMessage } from "@bufbuild/protobuf/codegenv2";

export interface Topic<M extends Message = Message> {
  readonly name: string;
  readonly schema: GenMessage<M>;
  readonly partitions: number;
  /** How long the log keeps it; "forever" for event topics, which rebuilds read. */
  readonly retentionDays: number | "forever";
  /** "append": the log's own clock stamps each message, so that deadlines do not trust a sender. */
  readonly timestamps: "create" | "append";
  /** The one module whose outbox writes it; absent where several writers are meant (commands). */
  readonly writer?: string;
  readonly keyOf: (message: M) => string;
  readonly idOf: (message: M) => string;
  /** The full proto name of the payload inside the oneof, else of the message itself. */
  readonly typeOf: (message: M) => string;
}

/** A topic of any message, where only names and bytes matter. Methods are contravariant, hence never. */
// biome-ignore lint/suspicious/noExplicitAny: a list of topics of different messages has no narrower type
export type AnyTopic = Topic<any>;

/** The full proto name of the member set in the message's `body` oneof. */
export function bodyTypeOf<D extends DescMessage>(schema: D, message: MessageShape<D>): string {
  const body = (message as { body?: { case?: string } }).body;
  const field = schema.fields.find((candidate) => candidate.localName === body?.case);
  return field?.message?.typeName ?? schema.typeName;
}
