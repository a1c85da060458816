/** Where a server with these settings is reached from its own machine. */
const loopbacks = new Map([
  ["0.0.0.0", "127.0.0.1"],
  ["::", "::1"],
]);

export function ownAddress(host: string, port: number): string {
  const reached = loopbacks.get(host) ?? host;
  return `http://${reached.includes(":") ? `[${reached}]` : reached}:${port}`;
}
