/**
 * How result columns are read, by type oid, from PostgreSQL's text format: the same for both
 * adapters. What is not listed (text, uuid, numeric, date, interval) stays the server's text.
 */
export type ColumnParser = (text: string) => unknown;

const asNumber: ColumnParser = (text) => Number(text);
const asBigInt: ColumnParser = (text) => BigInt(text);
const asBoolean: ColumnParser = (text) => text === "t";
const asDate: ColumnParser = (text) => new Date(text);
const asBytes: ColumnParser = (text) => Uint8Array.fromHex(text.slice(2));
const asJson: ColumnParser = (text) => JSON.parse(text);
const asText: ColumnParser = (text) => text;

/** [element oid, array oid, parser] */
const types: readonly (readonly [number, number, ColumnParser])[] = [
  [16, 1000, asBoolean],
  [17, 1001, asBytes],
  [20, 1016, asBigInt],
  [21, 1005, asNumber],
  [23, 1007, asNumber],
  [25, 1009, asText],
  [26, 1028, asNumber],
  [114, 199, asJson],
  [700, 1021, asNumber],
  [701, 1022, asNumber],
  [1043, 1015, asText],
  [1082, 1182, asText],
  [1114, 1115, asText],
  [1184, 1185, asDate],
  [1700, 1231, asText],
  [2950, 2951, asText],
  [3802, 3807, asJson],
];

export const columnParsers: ReadonlyMap<number, ColumnParser> = new Map(
  types.flatMap(([element, array, parse]): [number, ColumnParser][] => [
    [element, parse],
    [array, (text) => parseArray(text, parse)],
  ]),
);

/** One-dimensional `{a,"b,c",NULL}`. */
function parseArray(text: string, parse: ColumnParser): unknown[] {
  const elements: unknown[] = [];
  let at = 1;
  while (at < text.length - 1) {
    if (text[at] === '"') {
      let element = "";
      for (at += 1; text[at] !== '"'; at += 1) {
        if (text[at] === "\\") at += 1;
        element += text[at];
      }
      elements.push(parse(element));
      at += 2;
    } else {
      const comma = text.indexOf(",", at);
      const end = comma === -1 ? text.length - 1 : comma;
      const element = text.slice(at, end);
      elements.push(element === "NULL" ? null : parse(element));
      at = end + 1;
    }
  }
  return elements;
}
