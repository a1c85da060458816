/**
 * What an API key may be used for. The scope of a request follows from its method and path alone, so
 * a route that is added later is closed to every key that was not given its scope.
 */
import type { Principal } from "../module.ts";
import { HttpProblem } from "./problem.ts";

/** "read", "escrows:create", "escrows:release", "parties:write", "sandbox:write", … */
export function scopeOf(method: string, path: string): string {
  if (method === "GET" || method === "HEAD") return "read";
  const [first = "", second = "", , action] = path.split("/").filter((part) => part !== "");
  if (first !== "v1") return `${first}:write`;
  if (second !== "escrows") return `${second}:write`;
  return `escrows:${action ?? "create"}`;
}

/** 403 for a key that was not given the request's scope; a token of a person has no scopes. */
export function requireScope({ scopes }: Principal, method: string, path: string): void {
  if (scopes === undefined) return;
  const needed = scopeOf(method, path);
  const family = `${needed.slice(0, needed.indexOf(":"))}:*`;
  if (scopes.some((scope) => scope === needed || scope === "*" || scope === family)) return;
  throw new HttpProblem("SCOPE_REQUIRED", "This key was not given the scope for it.", {
    extra: { scope: needed },
  });
}
