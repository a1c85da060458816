/**
 * The escrow's command routes: the actor from the token, the body checked and sealed, a command
 * with a deterministic id, published by escrow id. Nothing is decided here; the decider checks again
 * what a route checks early for the sake of a quick answer.
 */
import { create, type JsonObject } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { type Context, Hono } from "hono";
import { type Command, CommandSchema, CreateEscrowSchema } from "#gen/escrow/v1/commands_pb";
import { CreateEscrowRequestSchema } from "#gen/escrow/v1/http_pb";
import { type Actor, Lock_Kind, SealedTextSchema, type Terms } from "#gen/escrow/v1/types_pb";
import { generateCommandEventId, generateEscrowId } from "#kernel/ids";
import type { Standing } from "#kernel/standing";
import type { Clock } from "#platform/clock";
import type { Database } from "#platform/database/database";
import { foundSoon } from "#platform/found-soon";
import { type Acceptor, type CommandPublisher, createAcceptor } from "#platform/http/accept";
import { createApprovalRoutes } from "#platform/http/approval-routes";
import { requireRole } from "#platform/http/auth";
import { readJson, toMessage } from "#platform/http/body";
import { fingerprintOf, idempotencyKeyOf } from "#platform/http/idempotency";
import { documented, type RouteDoc } from "#platform/http/openapi/documented";
import { commandHeaders, headerOf, wishHeaders } from "#platform/http/openapi/headers";
import type { Outcomes } from "#platform/http/outcomes";
import { idOf } from "#platform/http/path-id";
import { actorOf, principalKey } from "#platform/http/principal";
import { HttpProblem, notFound } from "#platform/http/problem";
import type { Topic } from "#platform/messaging/topic";
import type { HttpEnv } from "#platform/module";
import type { Keyring } from "#platform/sealing/keyring";
import { createEscrowApprovals } from "./approvals.ts";
import { creatingService } from "./domain/guards.ts";
import type { CommandBody } from "./domain/messages.ts";
import { createMembership, type Membership } from "./membership.ts";
import type { Preview, Texts } from "./preview.ts";
import { type CommandRoute, commandRoutes } from "./requests.ts";
import { readEscrow } from "./store.ts";
import { requestedTerms, type Seal } from "./terms-input.ts";

const dryRunParameter = { dryRun: "true says what would happen, and writes nothing" };
/** How long the log may take before the caller is told to come again. */
const publishMs = 5_000;

export interface EscrowRoutesOptions {
  readonly publisher: CommandPublisher;
  readonly keyring: Pick<Keyring, "seal" | "open">;
  readonly clock: Pick<Clock, "now" | "offsetMs" | "monotonicMs" | "sleep">;
  readonly fingerprintKey: Uint8Array;
  readonly topics: { readonly escrowCommands: Topic<Command> };
  /** The escrow module's own database. */
  readonly db: Database;
  /** Absent where no projections are mounted: a wish to wait is then not honoured. */
  readonly outcomes?: Outcomes | undefined;
  /** Payment providers there are; absent where that is not known. */
  readonly providers?: readonly string[] | undefined;
  readonly preview?: ((command: Command, texts: Texts) => Promise<Preview>) | undefined;
}

export function createEscrowRoutes(options: EscrowRoutesOptions): Hono<HttpEnv> {
  const { topics } = options;
  const app = new Hono<HttpEnv>();
  const membership = createMembership(options);
  const approvals = createEscrowApprovals(options);
  const accept = createAcceptor({
    ...options,
    topic: topics.escrowCommands,
    publishMs,
    settled: approvals.finish,
  });

  app.post(
    "/v1/escrows",
    documented({
      summary: "Propose a deal.",
      audience: "its buyer or seller, and for services and operators",
      body: CreateEscrowRequestSchema,
      query: dryRunParameter,
      headers: commandHeaders,
      answers: {},
      command: true,
    }),
    async (c) => createEscrow(options, { accept, membership }, c),
  );
  for (const route of commandRoutes) {
    app.post(`/v1/escrows/:id/${route.path}`, documented(commandDoc(route)), async (c) => {
      const expectedVersion = () => expectedVersionOf(headerOf(c, "If-Match"));
      const request = await readRequest(options, c, expectedVersion);
      const escrowId = idOf(c.req.param("id"));
      const standing = await membership.standing(escrowId, request.actor);
      requireStanding(standing, route, c);
      const param = (name: string) => idOf(c.req.param(name));
      const currentTerms = () => termsNow(options, escrowId);
      const blocks = () => blocksNow(options, escrowId);
      const context = { seal: request.seal, param, currentTerms, blocks };
      const body = await route.read(request.json, context);
      const command = commandOf(options, request, escrowId, route.commandType, body);
      if (request.dryRun) return dryRun(options, c, command, request);
      if (!needsApproval(route, standing)) return accept(c, command);
      const approvalId = await approvals.ask(command, c.get("principal"));
      const { commandId } = command;
      return c.json({ commandId, escrowId, status: "awaiting_approval", approvalId }, 202);
    });
  }
  app.route("/", createApprovalRoutes({ approvals, accept }));
  return app;
}

function commandDoc(route: CommandRoute): RouteDoc {
  const { summary, body, role, audience = "its buyer and seller", twoOperators } = route;
  const own = twoOperators === "always" ? wishHeaders : commandHeaders;
  return {
    summary,
    body,
    // Who is no member learns that first, so the role is asked where the standing is known.
    audience: role
      ? `role ${role}`
      : `${audience}; a service names in On-Behalf-Of whom it acts for`,
    query: dryRunParameter,
    headers: { ...own, "If-Match": "optional" },
    answers: {},
    command: true,
  };
}

/** What every command's request has in common, read and checked. */
interface CommandRequest {
  readonly actor: Actor;
  readonly principal: string;
  readonly key: string;
  readonly json: JsonObject;
  readonly fingerprint: string;
  readonly expectedVersion: bigint;
  readonly correlationId: string;
  readonly dryRun: boolean;
  /** Of a dry run: what its caller has written. */
  readonly texts: Texts;
  readonly seal: Seal;
}

async function readRequest(
  { fingerprintKey, keyring }: EscrowRoutesOptions,
  c: Context<HttpEnv>,
  // What is not made yet has no version.
  expectedVersion: () => bigint = () => 0n,
): Promise<CommandRequest> {
  const principal = c.get("principal");
  const actor = actorOf(principal);
  const dryRun = isDryRun(c);
  // A dry run writes nothing, so there is nothing to repeat.
  const key = dryRun ? "" : idempotencyKeyOf(c);
  const json = await readJson(c.req.raw);
  const texts = new Map<string, string>();
  return {
    actor,
    principal: principalKey(principal),
    key,
    json,
    fingerprint: fingerprintOf(fingerprintKey, `${c.req.method} ${c.req.path}`, json),
    expectedVersion: expectedVersion(),
    correlationId: c.get("correlationId"),
    dryRun,
    texts,
    seal: dryRun ? sealNothing(actor.id, texts) : sealer(keyring, actor.id),
  };
}

/** What nobody here can carry out would leave a deal that nobody can pay. */
function refuseUnknownProvider({ providers }: EscrowRoutesOptions, provider: string): void {
  if (provider === "" || providers === undefined || providers.includes(provider)) return;
  throw new HttpProblem("PROVIDER_UNSUPPORTED", `This server has ${providers.join(", ")}.`, {
    field: "terms.provider",
  });
}

async function createEscrow(
  options: EscrowRoutesOptions,
  { accept, membership }: { readonly accept: Acceptor<Command>; readonly membership: Membership },
  c: Context<HttpEnv>,
): Promise<Response> {
  const request = await readRequest(options, c);
  const body = toMessage(CreateEscrowRequestSchema, request.json);
  const { reference, metadata, statementDescriptorSuffix, buyerId, sellerId } = body;
  refuseUnknownProvider(options, body.terms?.provider ?? "");
  const terms = await requestedTerms(body, request.seal);
  const escrowId = generateEscrowId(request.principal, request.key);
  const command = commandOf(options, request, escrowId, "CreateEscrow", {
    case: "createEscrow",
    value: create(CreateEscrowSchema, { terms, reference, metadata, statementDescriptorSuffix }),
  });
  if (request.dryRun) return dryRun(options, c, command, request);
  const answer = await accept(c, command);
  membership.expect(escrowId, { buyerId, sellerId, serviceId: creatingService(request.actor) });
  return answer;
}

/** An amendment names whole terms; the other party accepts their hash, so a late change shows. */
async function termsNow({ db, clock }: EscrowRoutesOptions, escrowId: string): Promise<Terms> {
  const terms = await foundSoon(clock, async () => {
    const stored = await readEscrow(db, escrowId);
    return stored?.escrow.terms;
  });
  if (terms === undefined) throw notFound();
  return terms;
}

async function blocksNow({ db }: EscrowRoutesOptions, escrowId: string): Promise<string[]> {
  const stored = await readEscrow(db, escrowId);
  const locks = stored?.escrow.locks ?? [];
  return locks.filter(({ kind }) => kind === Lock_Kind.SANCTIONS).map(({ reference }) => reference);
}

function commandOf(
  { clock }: EscrowRoutesOptions,
  request: CommandRequest,
  escrowId: string,
  commandType: string,
  body: CommandBody,
): Command {
  const { actor, principal, key, fingerprint, expectedVersion, correlationId } = request;
  return create(CommandSchema, {
    commandId: generateCommandEventId(escrowId, commandType, principal, key),
    escrowId,
    actor,
    fingerprint,
    correlationId,
    expectedVersion,
    sentAt: timestampFromDate(clock.now()),
    clockOffsetMs: clock.offsetMs(),
    body,
  });
}

async function dryRun(
  { preview }: EscrowRoutesOptions,
  c: Context<HttpEnv>,
  command: Command,
  { texts }: Pick<CommandRequest, "texts">,
): Promise<Response> {
  if (preview === undefined) {
    throw new HttpProblem("NOT_AVAILABLE_HERE", "This process cannot answer dry runs.");
  }
  return c.json(await preview(command, texts));
}

function requireStanding(
  standing: Standing | undefined,
  route: CommandRoute,
  c: Context<HttpEnv>,
): void {
  if (standing === undefined) throw notFound();
  if (standing === "auditor") {
    throw new HttpProblem("ROLE_REQUIRED", "An auditor reads everything and changes nothing.");
  }
  if (route.role !== undefined) requireRole(c.get("principal"), route.role);
}

function needsApproval({ twoOperators }: CommandRoute, standing: Standing | undefined): boolean {
  if (twoOperators === undefined) return false;
  return twoOperators === "always" || standing === "operator";
}

function isDryRun(c: Context<HttpEnv>): boolean {
  const asked = c.req.query("dryRun");
  if (asked === undefined || asked === "false") return false;
  if (asked === "true") return true;
  throw new HttpProblem("INVALID_FIELD", "Must be true or false.", { field: "dryRun" });
}

/** 0: not asked for. */
function expectedVersionOf(ifMatch: string | undefined): bigint {
  if (ifMatch === undefined || ifMatch === "*") return 0n;
  const version = /^"?([1-9][0-9]{0,17})"?$/.exec(ifMatch)?.[1];
  if (version !== undefined) return BigInt(version);
  throw new HttpProblem("INVALID_HEADER", 'If-Match is a version in quotes: "4".');
}

function sealer(keyring: Pick<Keyring, "seal">, subject: string): Seal {
  return async (text) => (text === "" ? undefined : keyring.seal(subject, text));
}

/** A dry run makes no key: a number stands for each text, which only its caller is shown. */
function sealNothing(subject: string, texts: Map<string, string>): Seal {
  return async (text) => {
    if (text === "") return undefined;
    const ciphertext = Buffer.from(`${texts.size}`);
    texts.set(ciphertext.toString("base64"), text);
    return create(SealedTextSchema, { subject, ciphertext });
  };
}
