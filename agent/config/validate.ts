import * as v from "valibot";
import { assert } from "../base/assert.ts";
import type { Mistake } from "./config-error.ts";
import type { FieldMeta } from "./fields.ts";
import { secrecyOf, shownPath } from "./mask.ts";
import { isPlanned } from "./planned.ts";
import { findBrokenRelations } from "./relations.ts";
import { type Config, ConfigSchema } from "./schema.ts";
import { type ConfigPath, type NamedShape, ROOT_SHAPE, referenceName, type Shape, shapeAt } from "./shape.ts";
import { hintForUnknown } from "./suggest.ts";

/** A table as the TOML parser gives it. */
export interface RawTable {
  [key: string]: unknown;
}

/** Most mistakes collected; far more than are told, and a bound for a file that is not a configuration at all. */
const MISTAKES_MAX = 1000;
/** Longest part of a problem's text; values from the file can be long. */
const PROBLEM_LENGTH_MAX = 300;

/**
 * Checks a parsed document against the schema and the relations between keys.
 * @param isWhole false when lines of the text were skipped: then nothing is said about keys that are missing.
 * @returns the configuration, of the parts that are right, and every mistake in the rest.
 */
export function validate(document: RawTable, isWhole: boolean): { config: Config; mistakes: Mistake[] } {
  const mistakes: Mistake[] = [];
  const known = keepKnown(document, ROOT_SHAPE, [], mistakes);
  let result = v.safeParse(ConfigSchema, known);
  const told = new Set<string>();
  for (const issue of result.issues ?? []) {
    const mistake = mistakeOf(issue);
    const name = JSON.stringify(mistake.path);
    // One value can break several rules (9.5 is neither whole nor in range): the first says enough.
    if (told.has(name) || mistakes.length >= MISTAKES_MAX) continue;
    told.add(name);
    if (isWhole || !isMissing(issue)) mistakes.push(mistake);
  }
  for (const issue of result.issues ?? []) remove(known, issue);
  if (!result.success) result = v.safeParse(ConfigSchema, known);
  assert(result.success, "the schema refuses a document without the parts it refused");
  if (isWhole) {
    const isSuspect = suspects(mistakes);
    const broken = findBrokenRelations(result.output).filter(({ needs }) => !needs.some(isSuspect));
    mistakes.push(...broken.map(({ mistake }) => mistake));
  }
  return { config: result.output, mistakes };
}

/** Whether a key is itself wrong, or may be meant by an unknown name in its table: then it is not missing. */
function suspects(mistakes: readonly Mistake[]): (path: ConfigPath) => boolean {
  const wrong = new Set<string>();
  const tables = new Set<string>();
  for (const { path } of mistakes) {
    wrong.add(JSON.stringify(path.filter((part) => typeof part === "string")));
    if (shapeAt(path) === undefined) tables.add(JSON.stringify(path.slice(0, -1)));
  }
  return (path) => wrong.has(JSON.stringify(path)) || tables.has(JSON.stringify(path.slice(0, -1)));
}

/** A copy without unknown names and without values where tables belong; each is a mistake. */
function keepKnown(table: RawTable, shape: Shape, path: ConfigPath, mistakes: Mistake[]): RawTable {
  const kept: RawTable = {};
  const spellings = new Set<string>();
  for (const [key, value] of Object.entries(table)) {
    if (mistakes.length >= MISTAKES_MAX) break; // nobody reads on: do not work on for them
    const here = [...path, key];
    const entry = shape.kind === "named" ? shape.value : shape.kind === "table" ? shape.entries.get(key) : undefined;
    const isTwice = shape.kind === "named" && shape.name === "GUID" && spellings.has(key.toLowerCase());
    const mistake = nameMistake(here, value, entry, isTwice);
    if (mistake !== undefined) {
      mistakes.push(mistake);
      continue;
    }
    spellings.add(key.toLowerCase());
    const inner = entry?.kind === "field" && entry.meta.kind === "map" ? FREE_NAMES : entry;
    kept[key] =
      inner !== undefined && inner.kind !== "field" && isTable(value) ? keepKnown(value, inner, here, mistakes) : value;
  }
  return kept;
}

/** What is wrong with a name, or with a value where a table belongs. @param entry what the name stands for. */
function nameMistake(
  path: ConfigPath,
  value: unknown,
  entry: Shape | undefined,
  isTwice: boolean,
): Mistake | undefined {
  const name = shownPath(path);
  if (path[path.length - 1] === "prototype") {
    // The schema library drops this name without a word, wherever names are free.
    return { path, problem: `${name}: this name cannot be used`, hint: "choose another", at: "key" };
  }
  if (entry === undefined) return unknownName(path, value);
  if (isTwice) {
    const problem = `${name}: this table stands twice, in capital and in small letters`;
    return { path, problem, hint: "GUIDs are read in lower case: keep one of the two", at: "key" };
  }
  const isValue = entry.kind === "field" && entry.meta.kind !== "map";
  return isValue || isTable(value) ? undefined : notATable(path, value);
}

function unknownName(path: ConfigPath, value: unknown): Mistake {
  const what = isTable(value) ? "table" : "key";
  if (isPlanned(path)) {
    const problem = `${shownPath(path)}: this ${what} is not supported by this version`;
    return { path, problem, hint: "take it away; a later version will know it", at: "key" };
  }
  return { path, problem: `${shownPath(path)}: unknown ${what}`, hint: hintForUnknown(path), at: "key" };
}

function notATable(path: ConfigPath, value: unknown): Mistake {
  const shape = shapeAt(path);
  const name = referenceName(path);
  const hint =
    shape?.kind === "named"
      ? `write each as a table of its own: [${name}.${shape.name === "GUID" ? '"GUID"' : shape.name}]`
      : `write it as a table: [${name}]`;
  const received = Array.isArray(value) ? "an array" : "a single value";
  return { path, problem: `${shownPath(path)}: Expected a table but received ${received}`, hint, at: "key" };
}

function isTable(value: unknown): value is RawTable {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

/** The inside of a map: any name, and values that the map's own schema checks. */
const FREE_NAMES: Shape = {
  kind: "named",
  name: "",
  value: { kind: "field", meta: { kind: "string", meaning: "" }, defaultValue: undefined, isRequired: false },
};

type Issue = v.InferIssue<typeof ConfigSchema>;

function pathOf(issue: Issue): (string | number)[] {
  return (issue.path ?? []).map((item) => (typeof item.key === "number" ? item.key : String(item.key)));
}

/** A required key that is not there. */
function isMissing(issue: Issue): boolean {
  return issue.type === "strict_object" && issue.expected !== "never";
}

function mistakeOf(issue: Issue): Mistake {
  const path = pathOf(issue);
  const shape = shapeAt(path);
  const name = path[path.length - 1];
  if (isMissing(issue)) {
    const example = (shape?.kind === "field" ? shape.meta.words?.[0] : undefined) ?? '"…"';
    const problem = `${shownPath(path.slice(0, -1))}: the key "${name}" is missing`;
    return { path, problem, hint: `add ${name} = ${example}; ${seeReference(path)}`, at: "key" };
  }
  const [reason = "", advice] = issue.message.replace("received TomlDate", "received a date").split("\n");
  const open = secrecyOf(path) === undefined ? reason : reason.replace(/received ".*$/, "received ***");
  const cut = open.length > PROBLEM_LENGTH_MAX ? `${open.slice(0, PROBLEM_LENGTH_MAX)}…` : open;
  const problem = `${shownPath(path)}: ${cut}`;
  const parent = shapeAt(path.slice(0, -1));
  if (parent?.kind === "named" && shape?.kind !== "field") return { path, problem, hint: howToName(parent), at: "key" };
  const hint = advice ?? (shape?.kind === "field" ? howToWrite(shape.meta) : "");
  return { path, problem, hint: hint === "" ? seeReference(path) : `${hint}; ${seeReference(path)}`, at: "value" };
}

function howToName(shape: NamedShape): string {
  return shape.name === "GUID"
    ? 'a GUID in quotes, such as "11111111-2222-3333-4444-555555555555"; tributary key makes one'
    : "a name of letters, digits, _ and -, at most 64";
}

function seeReference(path: ConfigPath): string {
  return `see "${referenceName(path)}" in the configuration reference`;
}

/** How a value of this kind is written, with its limits. */
function howToWrite(about: FieldMeta): string {
  switch (about.kind) {
    case "int": {
      const top = about.max === undefined || about.max === Number.MAX_SAFE_INTEGER ? " up" : ` to ${about.max}`;
      const unit = about.unit === undefined ? "" : ` (${about.unit})`;
      return `a whole number from ${about.min ?? 0}${top}${unit}, without quotes`;
    }
    case "bool":
      return "true or false, without quotes";
    case "words":
      return `one of ${(about.words ?? []).join(", ")}`;
    case "list":
      return 'strings: ["a", "b"] or "a b"';
    case "pattern":
      return 'names separated by blanks, * for anything, ! for not: "a* !b* *"';
    case "addresses":
      return 'addresses and networks separated by blanks: "10.0.0.0/8 192.168.1.* localhost"';
    case "guid":
      return 'a GUID in quotes, such as "11111111-2222-3333-4444-555555555555"; tributary key makes one';
    case "path":
      return 'a path in quotes that starts with "/"';
    case "map":
      return `a table of at most ${about.max ?? 0} names`;
    case "string":
      return `text in quotes, at most ${about.max ?? 0} bytes`;
  }
}

/** Takes the refused part out of the document; a table whose required key is missing goes as a whole. */
function remove(document: RawTable, issue: Issue): void {
  const path = pathOf(issue);
  const fields = path.findIndex((_, index) => shapeAt(path.slice(0, index + 1))?.kind === "field");
  const isName = issue.path?.[issue.path.length - 1]?.origin === "key" && !isMissing(issue);
  const end = isMissing(issue) ? path.length - 1 : isName || fields < 0 ? path.length : fields + 1;
  const required = shapeAt(path.slice(0, end));
  const length = required?.kind === "field" && required.isRequired ? end - 1 : end;
  let table: unknown = document;
  for (const segment of path.slice(0, length - 1)) table = isTable(table) ? table[String(segment)] : undefined;
  if (isTable(table)) delete table[String(path[length - 1])];
}
