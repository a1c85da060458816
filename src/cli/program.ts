/** The command tree: one sentence, examples and exit codes each. `app` alone is `app serve`. */
import { type Command, Option } from "commander";
import {
  type Config,
  ConfigError,
  type ConfigSources,
  loadConfig,
  processEnvironment,
  readConfig,
  roleNames,
  type SettingName,
} from "../config.ts";
import { meanings } from "../settings/meanings.ts";
import { misspelled } from "../settings/misspelled.ts";
import { version } from "../version.ts";
import { runAudit } from "./audit.ts";
import { showConfig } from "./config.ts";
import { runDemo } from "./demo.ts";
import { runDoctor } from "./doctor.ts";
import { runErase } from "./erase.ts";
import { addEscrowCommands } from "./escrow.ts";
import { addEventCommands } from "./events.ts";
import { ExitError, explain } from "./exit.ts";
import { runHealth } from "./health.ts";
import { runKeys } from "./keys.ts";
import { addLetterCommands } from "./letter-commands.ts";
import { runMigrate } from "./migrate.ts";
import { runRebuild } from "./rebuild.ts";
import { runReconcile } from "./reconcile.ts";
import { runServe } from "./run-serve.ts";
import { endWithReader } from "./say.ts";
import { StrictCommand } from "./strict-command.ts";
import { runToken } from "./token.ts";
import { runTopics } from "./topics.ts";
import { runVerify } from "./verify.ts";

const exitCodes = `
Exit codes: 0 done, 1 unexpected, 2 usage, 3 configuration, 4 a dependency is unreachable,
            5 a check found something, 6 refused
Settings:   flags > environment > file (--config, TOML) > defaults; secrets also as NAME_FILE`;

/** Which setting a flag stands for. */
const settingOfFlag: Readonly<Record<string, SettingName>> = {
  role: "APP_ROLE",
  port: "PORT",
  host: "HOST",
  dataDir: "DATA_DIR",
  memory: "MEMORY",
};

export function createProgram(): Command {
  const program = new StrictCommand("app", wrongSettings)
    .description("Escrow payments: holds a buyer's money until the seller has delivered.")
    .version(version, "-V, --version", "print the version")
    .showHelpAfterError("(app --help shows what there is)")
    .configureHelp({ sortSubcommands: true })
    .hook("preAction", tellMisspelled)
    .hook("preAction", refuseContradiction)
    .hook("preAction", (_, command) => {
      if (command.name() !== "serve") endWithReader();
    })
    .exitOverride();
  const serve = addServe(program);
  program.addHelpText("after", () => `${optionsOf(serve)}\n${exitCodes}`);
  addStores(program);
  addSmall(program);
  const tree = { located: onKeptData, configOf, examples };
  addLetterCommands(program, tree);
  addEscrowCommands(program, tree);
  addEventCommands(program, tree);
  for (const command of program.commands) command.exitOverride();
  return program;
}

function addServe(program: Command): Command {
  // Behind a word that is no command the default would hide the suggestion of a like one.
  const isDefault = !/^[a-z]/.test(process.argv[2] ?? "");
  return located(program.command("serve", { isDefault }))
    .description("Run the roles of this process; alone, everything on an embedded database.")
    .option("--role <roles>", `comma-separated: ${roleNames.join(", ")} (APP_ROLE)`)
    .option("--port <number>", "HTTP port, 0 picks a free one (PORT)")
    .option("--host <address>", "address to listen on (HOST)")
    .addHelpText("after", examples("app", "app --role=escrow,outbox --port 3001"))
    .action((options) => runServe(configOf(options, { serving: true })));
}

/** What can be given where no command is named. */
function optionsOf(command: Command): string {
  const help = command.createHelp();
  const width = help.padWidth(command, help);
  const items = command.options.map((option) =>
    help.formatItem(help.optionTerm(option), width, help.optionDescription(option), help),
  );
  return `\nOptions of ${command.name()}, which \`app\` alone is:\n${items.join("\n")}`;
}

function addStores(program: Command): void {
  located(program.command("migrate"))
    .description("Bring the databases to this version; does nothing when there is nothing to do.")
    .argument("[action]", "up or status", "up")
    .option("--dry-run", "print the SQL, change nothing")
    .addHelpText("after", examples("app migrate", "app migrate status"))
    .action((action, options) => runMigrate(configOf(options), action, options));
  located(program.command("topics"))
    .description(
      "Create and repair topics and their schemas; refuses what would break order or readers.",
    )
    .option("--dry-run", "print what would change")
    .option("--diff", "the same, and end with 5 when something differs")
    .option("--env <name>", "development (1 copy), staging, production (3 copies, 3 brokers)")
    .option("--allow-reorder", "add partitions, although keys move and lose their order")
    .option("--format <name>", "print strimzi, strimzi-users or acls instead; asks no cluster")
    .option("--cluster <name>", "the Strimzi cluster of the resources", "app")
    .option("--json", "one JSON object on stdout")
    .addHelpText(
      "after",
      examples("app topics", "app topics --diff", "app topics --format strimzi > topics.yaml"),
    )
    .action((options) => runTopics(configOf(options), options));
  located(program.command("doctor"))
    .alias("verify:kafka")
    .description("Look at everything the program leans on; each line with a remedy.")
    .option("--role <roles>", "as these roles would need it (APP_ROLE)")
    .option("--json", "one JSON object on stdout")
    .addHelpText("after", examples("app doctor", "app doctor --role escrow --json"))
    .action((options) => runDoctor(sourcesOf(options), options));
  onKeptData(program.command("verify"))
    .description("Compute the invariants on the live database and log; name the first that fails.")
    .option("--json", "one JSON object on stdout")
    .addHelpText("after", examples("app verify", "app verify --json"))
    .action((options) => runVerify(configOf(options), options));
  onKeptData(program.command("reconcile"))
    .description(
      "Hold the books against the providers' own; a break above tolerance stops releases.",
    )
    .option("--provider <name>", "only this one")
    .option("--from <instant>", "since then, instead of since the last time")
    .option("--until <instant>", "up to then, instead of now")
    .option("--json", "one JSON object on stdout")
    .addHelpText("after", examples("app reconcile", "app reconcile --provider sandbox --json"))
    .action((options) => runReconcile(configOf(options), options));
  onKeptData(program.command("audit"))
    .description("Go through the audit logs' hash chains; name the first broken link.")
    .argument("[action]", "verify", "verify")
    .option("--json", "one JSON object on stdout")
    .addHelpText("after", examples("app audit verify", "app audit verify --json"))
    .action((action, options) => runAudit(configOf(options), action, options));
  onKeptData(program.command("rebuild"))
    .description(
      "Make the read models anew from the topics, beside the live ones, and swap them in.",
    )
    .addHelpText("after", examples("app rebuild"))
    .action((options) => runRebuild(configOf(options)));
}

function addSmall(program: Command): void {
  onKeptData(program.command("token"))
    .description("Print a development token; refused when JWT_JWKS_URL is set.")
    .requiredOption("--sub <subject>", "who the token is about")
    .option("--role <role...>", "buyer, seller, admin, auditor, service; repeatable", [])
    .option("--ttl <seconds>", "how long it is valid", "3600")
    .addHelpText(
      "after",
      examples("app token --sub alice --role buyer", "app token --sub ops --role admin"),
    )
    .action((options) => runToken(configOf(options), options));
  addKeys(program);
  onKeptData(program.command("erase"))
    .description("Forget a party: destroy its key, and with it every text it ever wrote.")
    .requiredOption("--party <id>", "the party's id; a terminal is asked for it again")
    .option("--yes", "do not ask, as a script must say")
    .addHelpText("after", examples("app erase --party alice", "app erase --party alice --yes"))
    .action((options) => runErase(configOf(options), options));
  located(program.command("config"))
    .description("Print every setting: its value (secrets masked), where it is from, its meaning.")
    .argument("[action]", "show; or check, whether `app serve` would start with them", "show")
    .option("--json", "one JSON object on stdout")
    .addHelpText("after", examples("app config show", "app config check", "app config --json"))
    .action((action, options) => {
      const config = configOf(options, { serving: action === "check" });
      showConfig(config, sourcesOf(options), action, options);
    });
  program
    .command("health")
    .description("Ask the server with these settings whether it is ready; ends with 0 or 1.")
    .option("--live", "whether it answers at all, whatever it depends on")
    .option("--port <number>", "the server's (PORT)")
    .option("--host <address>", "the server's (HOST)")
    .option("--config <file>", "settings as TOML")
    .addHelpText("after", examples("app health", "app health --live --port 3001"))
    .action((options) => runHealth(configOf(options), options));
  program
    .command("demo")
    .description(
      "Play the stories of an escrow in memory, on a clock that is moved, and tell them.",
    )
    .option("--story <name>", "only this one")
    .option("--list", "name them")
    .addHelpText("after", examples("app demo", "app demo --list", "app demo --story dispute-split"))
    .action((options) => runDemo(options));
  program
    .command("version")
    .description("Print the version.")
    .action(() => {
      process.stdout.write(`${version}\n`);
    });
}

/** The options of every command that needs the stores. */
function located(command: Command, memory = inMemory()): Command {
  return command
    .option("--data-dir <dir>", "folder of the embedded data; unused with DATABASE_URL (DATA_DIR)")
    .addOption(memory)
    .option("--config <file>", "settings as TOML");
}

/** Data in memory is its server's alone: whoever asks for it all the same is told so. */
function onKeptData(command: Command): Command {
  return located(command, inMemory().hideHelp());
}

function inMemory(): Option {
  return new Option("--memory", "keep the embedded data in memory (MEMORY)");
}

function addKeys(program: Command): void {
  onKeptData(program.command("keys"))
    .description("Make, list and revoke API keys; a new key is printed once and kept nowhere.")
    .argument("<action>", "create, list or revoke")
    .argument("[id]", "the key to revoke")
    .option("--sub <subject>", "who calls made with the key are made by")
    .option("--name <name>", "what it is for; the subject when absent")
    .option("--role <role...>", "auditor or service; service when absent", [])
    .option("--scope <scope...>", 'read, escrows:release, escrows:*, "*" and the like', [])
    .option("--expires <duration>", "ISO 8601", "P365D")
    .addHelpText(
      "after",
      examples(
        "app keys create --sub shop --scope read escrows:*",
        "app keys revoke 0123456789abcdef",
      ),
    )
    .action((action, id, options) => runKeys(configOf(options), action, id, options));
}

/** Once, whatever the command. */
function tellMisspelled(): void {
  for (const { name, meant } of misspelled(processEnvironment(), Object.keys(meanings))) {
    process.stderr.write(`${name} is no setting and has no effect: ${meant} is one\n`);
  }
}

/** --memory would win, and the data meant to be kept would be lost. */
function refuseContradiction(_: Command, asked: Command): void {
  const { memory, dataDir } = asked.opts();
  if (memory === true && dataDir !== undefined) {
    throw new ExitError(
      2,
      "--memory keeps nothing, and --data-dir says where to keep it: give one",
    );
  }
}

function wrongSettings(command: string, options: Record<string, unknown>): string {
  const { problems } = readConfig(sourcesOf(options), { serving: command === "serve" });
  return problems.length === 0 ? "" : explain(new ConfigError(problems)).message;
}

function configOf(options: Record<string, unknown>, { serving } = { serving: false }): Config {
  return loadConfig(sourcesOf(options), { serving });
}

function sourcesOf(options: Record<string, unknown>): ConfigSources {
  const flags: ConfigSources["flags"] = {};
  for (const [flag, name] of Object.entries(settingOfFlag)) {
    const value = options[flag];
    // A list is roles of a token or of a key, not this process's.
    if (value !== undefined && !Array.isArray(value)) flags[name] = String(value);
  }
  const file = options.config === undefined ? undefined : String(options.config);
  return { flags, environment: processEnvironment(), file };
}

function examples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  ${line}`).join("\n")}${`\n${exitCodes}`}`;
}
