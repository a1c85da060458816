/**
 * Where a page of the list ends: the last row's sort key, signed, so that a client can neither forge nor
 * guess a place in somebody else's list.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { HttpProblem } from "#platform/http/problem";

export interface PageCursor {
  readonly createdAt: Date;
  readonly escrowId: string;
}

const signatureBytes = 16;

export function createPageCursors(key: Uint8Array) {
  const sign = (payload: Uint8Array) =>
    createHmac("sha256", key).update("cursor").update(payload).digest().subarray(0, signatureBytes);
  return {
    write({ createdAt, escrowId }: PageCursor): string {
      const payload = Buffer.from(JSON.stringify([createdAt.toISOString(), escrowId]));
      return Buffer.concat([sign(payload), payload]).toString("base64url");
    },
    /** Throws 422 for anything this server did not write. */
    read(text: string): PageCursor {
      const bytes = Buffer.from(text, "base64url");
      const payload = bytes.subarray(signatureBytes);
      const signature = bytes.subarray(0, signatureBytes);
      if (payload.length === 0 || !timingSafeEqual(signature, sign(payload))) {
        throw new HttpProblem("INVALID_CURSOR", "Not a cursor of this list.", { field: "cursor" });
      }
      const [createdAt, escrowId] = JSON.parse(payload.toString()) as [string, string];
      return { createdAt: new Date(createdAt), escrowId };
    },
  };
}

export type PageCursors = ReturnType<typeof createPageCursors>;
