import * as v from "valibot";
import { AddressList } from "../base/address-list.ts";
import { errorText } from "../base/errors.ts";
import { parseGuid } from "../base/guid.ts";
import { InputError } from "../base/input-error.ts";
import { SimplePattern } from "../base/pattern.ts";

/** How a value is written in the file. `addresses` = pattern that also takes networks; `map` = table of free names. */
export type FieldKind =
  | "int"
  | "bool"
  | "string"
  | "words"
  | "list"
  | "pattern"
  | "addresses"
  | "guid"
  | "path"
  | "map";

/** What a person needs to know of one key beyond its type. */
export interface FieldAbout {
  readonly meaning: string;
  /** The option of netdata's files; left out = ours alone. */
  readonly netdata?: string;
  readonly unit?: string;
  /** What the default stands for when the plain value does not say it. */
  readonly fallback?: string | undefined;
  /** `whole`: never shown. `tail`: only the last 4 characters are shown. */
  readonly secret?: "whole" | "tail";
}

/** Everything the reference, the messages and the JSON Schema say about one key; kept in the schema itself. */
export interface FieldMeta extends FieldAbout {
  readonly kind: FieldKind;
  readonly min?: number;
  readonly max?: number;
  /** Every word allowed; `true` and `false` stand for the booleans. */
  readonly words?: readonly string[];
  /** Of a map: what its values are; `switch` = true, false or "auto". */
  readonly values?: "text" | "switch";
}

/** Most entries of a list: no real list of parents, addresses or labels comes near. */
const LIST_ENTRIES_MAX = 100;
const TEXT_LENGTH_MAX = 1000;

/** A whole number, `min`…`max` in the unit named. */
export function int(about: FieldAbout & { min: number; max: number }) {
  const { min, max } = about;
  return documented(v.pipe(v.number(), v.integer(), v.minValue(min), v.maxValue(max)), { ...about, kind: "int" });
}

/** `true` or `false`, nothing else. */
export function bool(about: FieldAbout) {
  return documented(v.pipe(v.boolean()), { ...about, kind: "bool", words: ["true", "false"] });
}

/** `true`, `false` or `"auto"`. */
export function boolOrAuto(about: FieldAbout) {
  const words = ["true", "false", '"auto"'];
  return documented(v.pipe(v.union([v.boolean(), v.literal("auto")])), { ...about, kind: "words", words });
}

/** Text of at most `max` bytes of UTF-8 (1000 if left out). */
export function string(about: FieldAbout & { max?: number }) {
  const max = about.max ?? TEXT_LENGTH_MAX;
  return documented(v.pipe(v.string(), v.maxBytes(max)), { ...about, kind: "string", max });
}

/** One of some words. `planned` words get a message that says that a later version brings them. */
export function choice<const Words extends readonly string[]>(
  words: Words,
  about: FieldAbout & { planned?: readonly string[] },
) {
  const planned = about.planned ?? [];
  const shown = words.map((word) => `"${word}"`);
  const message = (issue: { input: unknown; received: string }) => {
    return typeof issue.input === "string" && planned.includes(issue.input)
      ? `${issue.received} is not supported by this version`
      : `Invalid value: Expected ${shown.join(" or ")} but received ${issue.received}`;
  };
  return documented(v.pipe(v.picklist(words, message)), { ...about, kind: "words", words: shown });
}

/** Simple patterns, kept as text. */
export function pattern(about: FieldAbout) {
  const check = (text: string) => problemOf(() => new SimplePattern(text));
  return documented(v.pipe(v.string(), checkText(check)), { ...about, kind: "pattern" });
}

/** Simple patterns and networks for peer addresses, kept as text. */
export function addresses(about: FieldAbout) {
  const check = (text: string) => problemOf(() => new AddressList(text));
  return documented(v.pipe(v.string(), checkText(check)), { ...about, kind: "addresses" });
}

/** A GUID, lower-cased; `""` = not set. */
export function guid(about: FieldAbout) {
  return documented(v.pipe(v.string(), v.toLowerCase(), checkText(guidProblem)), { ...about, kind: "guid" });
}

/** An absolute path; `""` = not set. */
export function path(about: FieldAbout) {
  const check = (text: string) => (text === "" || text.startsWith("/") ? undefined : "Expected an absolute path");
  return documented(v.pipe(v.string(), v.maxBytes(TEXT_LENGTH_MAX), checkText(check)), { ...about, kind: "path" });
}

/**
 * Strings: an array, or one string split at blanks and commas.
 * @param about.problem tells what is wrong with one entry, or undefined.
 */
export function list(about: FieldAbout & { problem?: (entry: string) => string | undefined }) {
  const { problem, ...rest } = about;
  const read = v.rawTransform<unknown, string[]>(({ dataset, addIssue, NEVER }) => {
    const input = dataset.value;
    if (typeof input !== "string" && !Array.isArray(input)) {
      addIssue({ label: "type", expected: "a list of strings" });
      return NEVER;
    }
    const entries: unknown[] = typeof input === "string" ? input.split(/[\s,]+/).filter((word) => word !== "") : input;
    if (entries.length > LIST_ENTRIES_MAX) {
      addIssue({ label: "length", expected: `<=${LIST_ENTRIES_MAX}`, received: String(entries.length) });
      return NEVER;
    }
    return entries.map((entry, index) => {
      const wrong = typeof entry === "string" ? problem?.(entry) : "Invalid type: Expected a string";
      const at = { type: "array", origin: "value", input: entries, key: index, value: entry } as const;
      if (wrong !== undefined) addIssue({ message: wrong, ...(Array.isArray(input) ? { path: [at] } : {}) });
      return String(entry);
    });
  });
  return documented(v.pipe(v.unknown(), read), { ...rest, kind: "list" });
}

/** A table of free names → strings of at most 200 bytes. */
export function stringMap(about: FieldAbout & { max: number }) {
  const value = v.pipe(v.string(), v.maxBytes(200));
  return documented(v.pipe(v.record(v.string(), value), v.maxEntries(about.max)), {
    ...about,
    kind: "map",
    values: "text",
  });
}

/** A table of free names → `true`, `false` or `"auto"`. */
export function switchMap(about: FieldAbout & { max: number }) {
  const value = v.union([v.boolean(), v.literal("auto")]);
  return documented(v.pipe(v.record(v.string(), value), v.maxEntries(about.max)), {
    ...about,
    kind: "map",
    values: "switch",
  });
}

/** The GUID in the name of a table, lower-cased. */
export function tableGuid() {
  return v.pipe(
    v.string(),
    v.toLowerCase(),
    checkText((text) => (text === "" ? GUID_EXPECTED : guidProblem(text))),
  );
}

/** Why a value is wrong, from a constructor or parser that throws: the problem and, on a second line, the hint. */
export function problemOf(parse: () => unknown): string | undefined {
  try {
    parse();
    return undefined;
  } catch (error) {
    return error instanceof InputError ? `${error.problem}\n${error.hint}` : errorText(error);
  }
}

const GUID_EXPECTED = "Expected a GUID of 36 characters (8-4-4-4-12 hex digits)";

function guidProblem(text: string): string | undefined {
  if (text === "" || parseGuid(text) !== undefined) return undefined;
  const length = `${text.length} character${text.length === 1 ? "" : "s"}`;
  return `${GUID_EXPECTED} but received ${length}${text.length === 36 ? " of another form" : ""}`;
}

function checkText(problem: (text: string) => string | undefined) {
  return v.rawCheck<string>(({ dataset, addIssue }) => {
    const wrong = dataset.typed ? problem(dataset.value) : undefined;
    if (wrong !== undefined) addIssue({ message: wrong });
  });
}

function documented<Schema extends v.GenericSchema>(schema: Schema, about: FieldMeta) {
  return v.pipe(
    schema,
    v.description<v.InferOutput<Schema>, string>(about.meaning),
    v.metadata<v.InferOutput<Schema>, { field: FieldMeta }>({ field: about }),
  );
}
