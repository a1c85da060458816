/**
 * Text as PostgreSQL can keep it. Keys and headers of a log are any bytes; a message that cannot be
 * set aside because of a zero byte would stop its partition for ever.
 */
export function storable(text: string, atMost = Number.POSITIVE_INFINITY): string {
  return text.slice(0, atMost).replaceAll("\0", "\uFFFD").toWellFormed();
}

export function storableHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  const pairs = Object.entries(headers).map(([name, text]) => [storable(name), storable(text)]);
  return Object.fromEntries(pairs);
}
