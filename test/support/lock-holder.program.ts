/** Takes a data folder's lock in a process of its own and keeps it until its input ends. */
import { DataDirLocked, lockDataDir } from "#platform/database/data-dir";

const [dir = ""] = process.argv.slice(2);
try {
  const lock = await lockDataDir(dir);
  process.stdout.write(`locked ${process.pid}\n`);
  for await (const line of console) {
    if (line === "release") lock.release();
    if (line.startsWith("url ")) lock.update({ url: line.slice(4) });
    process.stdout.write("ok\n");
  }
} catch (error) {
  if (!(error instanceof DataDirLocked)) throw error;
  process.stdout.write(`refused ${error.pid} ${error.url ?? ""}\n`);
}
