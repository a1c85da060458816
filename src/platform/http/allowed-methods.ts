/** Which methods a path answers to, read from the routes, so that 405 can say so in `Allow`. */
interface Route {
  readonly method: string;
  readonly path: string;
}

/** Middleware is registered for all methods and makes no path exist. */
const everyMethod = "ALL";

export function allowedMethods(routes: readonly Route[], path: string): readonly string[] {
  const allowed = new Set<string>();
  for (const route of routes) {
    if (route.method === everyMethod || !matches(route.path, path)) continue;
    allowed.add(route.method);
    if (route.method === "GET") allowed.add("HEAD");
  }
  return [...allowed].sort();
}

function matches(pattern: string, path: string): boolean {
  const wanted = pattern.split("/");
  const given = path.split("/");
  for (const [index, part] of wanted.entries()) {
    if (part === "*") return true;
    const segment = given[index];
    if (segment === undefined || segment === "" ? part !== segment : !fits(part, segment)) {
      return false;
    }
  }
  return wanted.length === given.length;
}

function fits(part: string, segment: string): boolean {
  return part.startsWith(":") || part === segment;
}
