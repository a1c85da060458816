/**
 * Is it one request, and whose? What the runtime takes although two readers could disagree on where
 * it ends or whom it is for is refused, and its connection ends with the answer.
 */
import { HttpProblem, problemResponse } from "./problem.ts";

const authority = /^[A-Za-z0-9._~%[\]:-]+$/;
const length = /^\d+$/;

/** A refusal, or undefined where the request stands alone. */
export function refuseAmbiguous({ headers, url }: Request): Response | undefined {
  const wrong = wrongIn(headers, url);
  if (wrong === undefined) return undefined;
  return withConnectionClose(
    problemResponse(new HttpProblem("BAD_REQUEST", wrong), crypto.randomUUID()),
  );
}

function wrongIn(headers: Headers, url: string): string | undefined {
  // What is said twice arrives with a comma between.
  if (!authority.test(headers.get("Host") ?? "")) return "Send one Host, a name or an address.";
  if (!length.test(headers.get("Content-Length") ?? "0")) return "Send one Content-Length.";
  return /^https?:\/\//.test(url) ? undefined : "Ask for a path, such as /v1/escrows.";
}

/**
 * A chunked body may turn out malformed, or have bytes behind its end, when the answer is already on
 * its way: its connection is not used again.
 */
export function isChunked({ headers }: Request): boolean {
  return headers.get("Transfer-Encoding") !== null;
}

export function withConnectionClose(response: Response): Response {
  response.headers.set("Connection", "close");
  return response;
}
