/**
 * A command that names all flags it does not know at once, each with the one that may have been meant,
 * and beside them what is wrong with the settings: whoever mends one line mends the whole.
 */
import { Command, type Option } from "commander";
import { nearest } from "../settings/nearest.ts";

/** What is wrong with the settings these options of a command stand for, a line each. */
export type WrongSettings = (command: string, options: Record<string, unknown>) => string;

export class StrictCommand extends Command {
  readonly #wrongSettings: WrongSettings;

  constructor(name: string | undefined, wrongSettings: WrongSettings) {
    super(name);
    this.#wrongSettings = wrongSettings;
  }

  override createCommand(name?: string): Command {
    return new StrictCommand(name, this.#wrongSettings);
  }

  /** Commander calls it with the first one only. */
  unknownOption(first: string): void {
    const unknown = this.#unknownFlags();
    this.#refuse(unknown.length > 0 ? unknown : [this.#unknown(first)], "unknownOption");
  }

  /** What is missing may stand there under another name. */
  missingMandatoryOptionValue({ flags }: Option): void {
    const missing = `required option '${flags}' not specified`;
    this.#refuse([...this.#unknownFlags(), missing], "missingMandatoryOptionValue");
  }

  #unknownFlags(): readonly string[] {
    const end = this.args.indexOf("--");
    const flags = (end < 0 ? this.args : this.args.slice(0, end))
      .filter((word) => /^--?[A-Za-z]/.test(word))
      // A value may be a secret.
      .map((word) => word.replace(/=.*$/s, ""));
    return [...new Set(flags)].map((flag) => this.#unknown(flag));
  }

  #unknown(flag: string): string {
    const known = this.createHelp().visibleOptions(this);
    const meant = nearest(
      flag,
      known.flatMap(({ long }) => long ?? []),
    );
    return `unknown option '${flag}'${meant === undefined ? "" : ` (Did you mean ${meant}?)`}`;
  }

  #refuse(wrong: readonly string[], code: string): never {
    const settings = this.options.some(({ long }) => long === "--config")
      ? this.#wrongSettings(this.name(), this.opts())
      : "";
    const lines = [...wrong.map((line) => `error: ${line}`), ...(settings ? [settings] : [])];
    return this.error(lines.join("\n"), { code: `commander.${code}` });
  }
}
