/** Who acts where no person does: deadlines, facts of payments, signed contracts. */
import { create } from "@bufbuild/protobuf";
import { type Actor, Actor_Kind, ActorSchema } from "#gen/escrow/v1/types_pb";

export const systemActor: Actor = create(ActorSchema, { kind: Actor_Kind.SYSTEM, id: "system" });
