/** The settings of a schema registry: where it is, and who asks. Without a URL values go unframed. */
import { z } from "zod";

export const schemaRegistrySettings = {
  KAFKA_SCHEMA_REGISTRY_URL: z
    .string()
    .refine(isBareUrl, { error: "an http(s) URL, without user and password in it" })
    .optional(),
  KAFKA_SCHEMA_REGISTRY_USERNAME: z.string().min(1).optional(),
  KAFKA_SCHEMA_REGISTRY_PASSWORD: z.string().min(1).optional(),
};

export const schemaRegistrySecretNames = ["KAFKA_SCHEMA_REGISTRY_PASSWORD"] as const;
/** May be given as NAME_FILE, but are no secrets. */
export const schemaRegistryFileNames = ["KAFKA_SCHEMA_REGISTRY_USERNAME"] as const;

type SchemaRegistrySettings = Readonly<z.output<z.ZodObject<typeof schemaRegistrySettings>>>;

/** It would be shown, and kept in the database. */
function isBareUrl(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && /^https?:$/.test(url.protocol) && url.username + url.password === "";
}

/** What does not fit together. */
export function schemaRegistryContradictions(settings: SchemaRegistrySettings) {
  const named = settings.KAFKA_SCHEMA_REGISTRY_USERNAME !== undefined;
  const secret = settings.KAFKA_SCHEMA_REGISTRY_PASSWORD !== undefined;
  if (named === secret) return [];
  const missing = named ? "PASSWORD" : "USERNAME";
  const name = `KAFKA_SCHEMA_REGISTRY_${missing}` as const;
  return [{ name, value: "", expected: "a value: a user name and a password go together" }];
}
