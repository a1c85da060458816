/**
 * A command that names all flags it does not know at once, each with the one that may have been meant,
 * and beside them what is wrong with the settings: whoever mends one line mends the whole.
 * What it shows of a word it does not know is short: the rest may be a secret, and output is kept.
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
    this.#refuse(unknown.length > 0 ? unknown : [this.#unknown(flagIn(first))], "unknownOption");
  }

  /** What is missing may stand there under another name. */
  missingMandatoryOptionValue({ flags }: Option): void {
    const missing = `required option '${flags}' not specified`;
    this.#refuse([...this.#unknownFlags(), missing], "missingMandatoryOptionValue");
  }

  #unknownFlags(): readonly string[] {
    const end = this.args.indexOf("--");
    const words = end < 0 ? this.args : this.args.slice(0, end);
    const flags: string[] = [];
    // Behind a flag nobody knows stands its value, with a dash or without.
    let isValue = false;
    for (const word of words) {
      const isFlag: boolean = !isValue && /^--?[A-Za-z]/.test(word);
      if (isFlag) flags.push(flagIn(word));
      isValue = isFlag && /^--[^=]*$/.test(word);
    }
    return [...new Set(flags)].map((flag) => this.#unknown(flag));
  }

  unknownCommand(): void {
    const [word = ""] = this.args;
    const names = this.createHelp()
      .visibleCommands(this)
      .flatMap((command) => [command.name(), ...command.aliases()]);
    const meant = nearest(word, names);
    const hint = meant === undefined ? "" : `\n(Did you mean ${meant}?)`;
    this.error(`error: unknown command '${wordIn(word)}'${hint}`, {
      code: "commander.unknownCommand",
    });
  }

  /** Commander's own sentence, of words that are cut. */
  _excessArguments(received: readonly string[]): void {
    const expected = this.registeredArguments.length;
    const of = this.parent === null ? "" : ` for '${this.name()}'`;
    const words = received.map(wordIn).join(", ");
    this.error(
      `error: too many arguments${of}. Expected ${expected} argument${expected === 1 ? "" : "s"} ` +
        `but got ${received.length}: ${words}.`,
      { code: "commander.excessArguments" },
    );
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

/** A short flag's value may follow it at once, a long one's behind whatever is no part of a name. */
function flagIn(word: string): string {
  return /^--[A-Za-z0-9-]*/.exec(word)?.[0] ?? word.slice(0, 2);
}

/** No word of ours is longer. */
const longest = 16;

function wordIn(word: string): string {
  const name = word.replace(/=.*$/s, "");
  return name.length > longest ? `${name.slice(0, 4)}…` : name;
}
