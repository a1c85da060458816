/** argv to command; an error to its exit code. No logic. */
import { explain } from "./cli/exit.ts";
import { createProgram } from "./cli/program.ts";

try {
  await createProgram().parseAsync(process.argv);
} catch (error) {
  const { code, message } = explain(error);
  if (message !== "") process.stderr.write(`${message}\n`);
  process.exit(code);
}
