/** GET /openapi.json and GET /docs: the reference of what this process serves, made when first asked for. */
import { createHash } from "node:crypto";
import { Hono } from "hono";
import { z } from "zod";
import type { HttpEnv } from "../../module.ts";
import { readComments } from "./comments.ts";
import { type MountedRoute, type OpenApiDocument, openApiDocument } from "./document.ts";
import { documented } from "./documented.ts";
import { referencePage, style } from "./page.ts";

export interface ReferenceOptions {
  /** Asked once, when all are mounted. */
  readonly routes: () => readonly MountedRoute[];
  readonly version: string;
}

const styleHash = createHash("sha256").update(style).digest("base64");
const policy = `default-src 'none'; style-src 'sha256-${styleHash}'; frame-ancestors 'none'`;
const openApi = () => z.looseObject({ openapi: z.literal("3.1.0") });
const page = () => z.string();

export function createReference({ routes, version }: ReferenceOptions): Hono<HttpEnv> {
  let made: Promise<OpenApiDocument> | undefined;
  const document = () => {
    made ??= readComments().then((comments) =>
      openApiDocument({ routes: routes(), comments, version }),
    );
    return made;
  };
  const doc = { summary: "This document.", open: true, answers: { 200: openApi } };
  const html = { summary: "It, for people.", open: true, answers: { 200: page } };
  return new Hono<HttpEnv>()
    .get("/openapi.json", documented(doc), async (c) => c.json(await document()))
    .get("/docs", documented(html), async (c) =>
      c.html(referencePage(await document()), 200, { "Content-Security-Policy": policy }),
    );
}
