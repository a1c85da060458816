/**
 * The command that runs a server in a container instead of on the machine. It listens on the
 * machine's own addresses and sees its folder under the same path, so nothing else changes.
 */
export interface ContainerOptions {
  readonly image: string;
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
  readonly args: readonly string[];
}

export function docker({ image, folder, env, args }: ContainerOptions): string[] {
  const variables = Object.entries(env).flatMap(([name, value]) => ["-e", `${name}=${value}`]);
  const place = ["--network", "host", "-v", `${folder}:${folder}`];
  return ["docker", "run", "--rm", "--init", ...place, ...variables, image, ...args];
}
