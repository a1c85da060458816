/** Dead letters and held rows as lines for people; `--json` gives the same as data. */
import type { HeldView } from "../dead-letters/held-desk.ts";
import type { GroupView, LetterView, OpenLetterView } from "../dead-letters/letter-view.ts";
import { printable } from "./say.ts";

const causeWidth = 160;

export function letterLines(letters: readonly LetterView[]): string[] {
  return letters.flatMap((letter) => [
    `${letter.id}  ${letter.state}, tried ${letter.attempts} times, ${letter.type || "no type"}, ` +
      `key ${letter.key}`,
    `    ${oneLine(letter.cause)}`,
    `    first failed ${letter.firstFailedAt}, last ${letter.failedAt}${nextTry(letter)}`,
  ]);
}

function nextTry({ nextTryAt }: LetterView): string {
  return nextTryAt === undefined ? "" : `, next try ${nextTryAt}`;
}

export function groupLines(groups: readonly GroupView[]): string[] {
  return groups.flatMap((group) => [
    `${group.fingerprint}  ${group.letters} letters (${group.dead} dead): ` +
      `${group.causeClass} on ${group.type || "no type"}, ${group.consumers.join(", ")}`,
    `    ${oneLine(group.cause)}`,
    `    first failed ${group.firstFailedAt}, last ${group.failedAt}`,
  ]);
}

export function openLetterText(letter: OpenLetterView): string {
  const lines = [
    ...letterLines([letter]),
    `topic      ${letter.topic}, partition ${letter.partition}, offset ${letter.offset}, appended ${letter.appendedAt}`,
    `consumer   ${letter.consumer}`,
    `message    ${letter.messageId}`,
    ...(letter.escrow === undefined ? [] : [`escrow     ${letter.escrow}`]),
    ...discardLines(letter),
    `behind it  ${letter.behind}`,
    ...letter.followers.map((one) => `    @${one.offset} ${one.type} ${one.messageId}`),
    ...letter.history.map(
      ({ at, action, askedBy, approvedBy, reason }) =>
        `${action.padEnd(10)} ${at} by ${askedBy}${approvedBy ? ` and ${approvedBy}` : ""}: ${reason}`,
    ),
    "headers",
    ...Object.entries(letter.headers).map(([name, value]) => `    ${name}: ${oneLine(value)}`),
    "body",
    indented(JSON.stringify(letter.body, null, 2)),
    "stack",
    indented(letter.stack || "none was kept"),
  ];
  return `${lines.map(printable).join("\n")}\n`;
}

function discardLines({ discardRefused, discardNeedsSecondOperator }: OpenLetterView): string[] {
  if (discardRefused !== undefined) return [`discard    refused: ${discardRefused}`];
  return discardNeedsSecondOperator ? ["discard    takes a second operator"] : [];
}

export function heldLines(rows: readonly HeldView[]): string[] {
  return rows.flatMap((row) => [
    `${row.id}  ${row.topic}, ${row.type || "no type"}, ${row.bytes} bytes, key ${row.key}, ` +
      `${row.behind} behind it`,
    `    refused ${row.heldAt}: ${oneLine(row.error)}`,
  ]);
}

function oneLine(text: string): string {
  const line = text.replace(/\s+/g, " ");
  return line.length > causeWidth ? `${line.slice(0, causeWidth)}…` : line;
}

function indented(text: string): string {
  return text.replace(/^/gm, "    ");
}
