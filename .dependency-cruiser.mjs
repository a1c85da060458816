/**
 * The borders of the house. Each rule is a sentence of ARCHITECTURE.md, and each is shown to fire
 * on its own seeded violation in test/architecture/fixtures.
 */
const TEST = "\\.test\\.tsx?$";
/** Everything of this repository but tests, which no file that ships may import. */
const OURS = "^(src|scripts|bench)/";
const PROTOBUF = "(^|/)node_modules/@bufbuild/protobuf/";
const DECIDES = "(domain/|ledger/(accounts|post|post-dispute|post-suspense)\\.ts$|provider\\.ts$)";
const platformOnly = (name, file, to) => ({
  name,
  severity: "error",
  comment: `${to} stays behind its port: only ${file} may import it.`,
  from: { path: "^src/", pathNot: [`^src/${file}`, TEST] },
  to: { path: `(^|/)node_modules/${to}(/|$)|^${to}$` },
});

export default {
  forbidden: [
    {
      name: "kernel-is-pure",
      severity: "error",
      comment:
        "kernel imports only kernel, hashing and protobuf's runtime: no I/O, no clock, no chance.",
      from: { path: "^src/kernel/", pathNot: TEST },
      to: { pathNot: ["^src/kernel/", "^(node:)?crypto$", PROTOBUF] },
    },
    {
      name: "platform-imports-nothing-above",
      severity: "error",
      comment:
        "platform imports platform, kernel, generated messages and packages: no module, no" +
        " catalogue of topics, no settings, nothing that is wired out of them.",
      from: { path: "^src/platform/", pathNot: TEST },
      to: { path: OURS, pathNot: ["^src/(platform|kernel|gen)/"] },
    },
    {
      name: "modules-meet-on-topics",
      severity: "error",
      comment: "A module imports no other module, types included: they meet on topics only.",
      from: { path: "^src/modules/([^/]+)/", pathNot: TEST },
      to: { path: "^src/modules/([^/]+)/", pathNot: "^src/modules/$1/" },
    },
    {
      name: "modules-import-nothing-above",
      severity: "error",
      comment:
        "A module imports itself, platform, kernel, generated messages, the catalogue of topics and" +
        " packages: settings, stores and what operators ask for are handed to it.",
      from: { path: "^src/modules/", pathNot: TEST },
      to: { path: OURS, pathNot: ["^src/(modules|platform|kernel|gen)/", "^src/topics\\.ts$"] },
    },
    {
      name: "only-roles-wires-modules",
      severity: "error",
      comment: "roles.ts builds the object graph: nothing else reaches into modules from outside.",
      from: {
        path: "^src/",
        pathNot: ["^src/modules/", "^src/roles\\.ts$", "^src/simulation/", TEST],
      },
      to: { path: "^src/modules/" },
    },
    {
      name: "modules-have-one-face",
      severity: "error",
      comment: "From outside, a module is its index.ts: nothing else leaves.",
      from: { path: "^src/(roles\\.ts$|simulation/)", pathNot: TEST },
      to: { path: "^src/modules/[^/]+/", pathNot: "^src/modules/[^/]+/index\\.ts$" },
    },
    {
      name: "domain-is-pure",
      severity: "error",
      comment:
        "What decides imports only what decides, kernel, generated messages and the error classes:" +
        " no I/O can hide in it. A module's provider port and its ledger's words belong to it.",
      from: { path: `^src/modules/([^/]+)/${DECIDES}`, pathNot: TEST },
      to: {
        pathNot: [
          "^src/kernel/",
          "^src/gen/",
          "^src/platform/errors\\.ts$",
          `^src/modules/$1/${DECIDES}`,
          PROTOBUF,
        ],
      },
    },
    platformOnly("kafkajs-behind-its-port", "platform/messaging/kafka/", "kafkajs"),
    platformOnly("postgres-behind-its-port", "platform/database/postgres[^/]*\\.ts$", "postgres"),
    platformOnly(
      "pglite-behind-its-port",
      "platform/database/pglite[^/]*\\.ts$",
      "@electric-sql/pglite",
    ),
    {
      name: "gen-imports-nothing-of-ours",
      severity: "error",
      comment: "Generated code knows only protobuf and itself.",
      from: { path: "^src/gen/" },
      to: { path: "^src/", pathNot: "^src/gen/" },
    },
    {
      name: "tests-stay-outside",
      severity: "error",
      comment: "What ships imports no test and no test support.",
      from: { path: "^src/", pathNot: TEST },
      to: { path: ["^test/", TEST] },
    },
    {
      name: "no-cycles",
      severity: "error",
      comment: "Two files that need each other are one file, or a third one is missing.",
      from: {},
      to: { circular: true },
    },
    {
      name: "nothing-unresolved",
      severity: "error",
      comment: "An import that resolves to nothing would hide from every other rule.",
      from: { path: "^src/" },
      to: { couldNotResolve: true, pathNot: "^bun(:|$)" },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["bun", "import", "require", "node", "default", "types"],
      extensions: [".ts", ".tsx", ".mjs", ".js", ".json"],
    },
    builtInModules: { add: ["bun", "bun:test", "bun:sqlite", "bun:ffi"] },
  },
};
