import { expect, test } from "bun:test";
import fc from "fast-check";
import * as v from "valibot";
import { ConfigErrors } from "../../agent/config/config-error.ts";
import type { FieldMeta } from "../../agent/config/fields.ts";
import { type LoadedConfig, loadConfig, parseConfig } from "../../agent/config/load.ts";
import { renderSample, tomlKey, tomlLiteral } from "../../agent/config/reference.ts";
import { ConfigSchema } from "../../agent/config/schema.ts";
import { ROOT_SHAPE, type Shape } from "../../agent/config/shape.ts";
import { renderConfig } from "../../agent/config/show.ts";

const seed = Number(process.env["TRIBUTARY_SEED"] ?? 20_260_101);

/** A machine busy with other work must not fail these: they check what is read, not how fast. */
const TIMEOUT_MS = 120_000;

interface Table {
  [key: string]: unknown;
}

const guid = fc.uuid().chain((text) => fc.constantFrom(text, text.toUpperCase()));
const text = fc.string({ unit: "grapheme", maxLength: 20 }).filter((word) => word.isWellFormed());
const hosts = fc.constantFrom("parent", "parent:1", "10.0.0.1:65535", "[::1]:19999", "[fe80::1%eth0]", "/run/x");
const words = (...choices: string[]) => fc.array(fc.constantFrom(...choices), { maxLength: 4 });
/** Free names: anything but the three that the parser or the schema library refuse. */
const freeName = text.filter((name) => !["__proto__", "constructor", "prototype"].includes(name));

/** Any value that is right for one key. */
function anyValue(key: string, meta: FieldMeta): fc.Arbitrary<unknown> {
  switch (meta.kind) {
    case "int":
      return fc.integer({ min: meta.min ?? 0, max: Math.min(meta.max ?? 0, Number.MAX_SAFE_INTEGER) });
    case "bool":
    case "words":
      return fc.constantFrom(...(meta.words ?? []).map((word): unknown => JSON.parse(word)));
    case "list": {
      const entries = key === "listen" ? fc.constantFrom("*", "[::1]:0", "127.0.0.1", "unix:/x") : hosts;
      const list = fc.array(entries, { minLength: 1, maxLength: 4 });
      return fc.oneof(
        list,
        list.map((all) => all.join(" , ")),
      );
    }
    case "pattern":
      return words("*", "!a*", "system.*", "*cpu*", "ä").map((all) => all.join(" "));
    case "addresses":
      return words("*", "!10.0.0.0/8", "fd00::/8", "localhost", "192.168.*").map((all) => all.join("\t"));
    case "guid":
      return fc.oneof(guid, fc.constant(""));
    case "path":
      return text.map((word) => `/${word}`);
    case "string":
      return text;
    case "map": {
      const value = meta.values === "switch" ? fc.constantFrom(true, false, "auto") : text;
      return fc.dictionary(freeName, value, { maxKeys: 3 });
    }
  }
}

/** Any table that fits a shape, with some of its keys. */
function tableOf(shape: Shape): fc.Arbitrary<Table> {
  if (shape.kind === "named") {
    const name = shape.name === "GUID" ? fc.uuid() : fc.stringMatching(/^[A-Za-z0-9_-]{1,8}$/);
    return fc.dictionary(
      name.filter((word) => word !== "prototype" && word !== "constructor"),
      tableOf(shape.value),
      {
        maxKeys: 2,
      },
    );
  }
  if (shape.kind === "field") return fc.constant({});
  const entries: Record<string, fc.Arbitrary<unknown>> = {};
  const required: string[] = [];
  for (const [key, entry] of shape.entries) {
    entries[key] = entry.kind === "field" ? anyValue(key, entry.meta) : tableOf(entry);
    if (entry.kind === "field" && entry.isRequired) required.push(key);
  }
  return fc.record(entries, { requiredKeys: required });
}

/** Gives what is switched on the keys it needs. */
function completed(document: Table): Table {
  const give = (table: unknown, flag: string, destination: string, apiKey: string) => {
    const keys = table as Table;
    if (keys[flag] === true)
      Object.assign(keys, { [destination]: "p:1", [apiKey]: "11111111-2222-3333-4444-555555555555" });
  };
  if (document["stream"] !== undefined) give(document["stream"], "enabled", "destination", "api_key");
  for (const table of Object.values(document["api_key"] ?? {})) {
    give(table, "default_proxy_enabled", "default_proxy_destination", "default_proxy_api_key");
  }
  for (const table of Object.values(document["machine"] ?? {})) {
    give(table, "proxy_enabled", "proxy_destination", "proxy_api_key");
  }
  return document;
}

const documents = tableOf(ROOT_SHAPE).map(completed);

/** One key a line, under table headers. */
function asTables(table: Table, shape: Shape, path: string[] = []): string {
  let own = path.length === 0 ? "" : `[${path.map(tomlKey).join(".")}]\n`;
  let inner = "";
  for (const [key, value] of Object.entries(table)) {
    const entry = shape.kind === "named" ? shape.value : shape.kind === "table" ? shape.entries.get(key) : undefined;
    if (entry === undefined || entry.kind === "field") own += `${tomlKey(key)} = ${tomlLiteral(value)}\n`;
    else inner += asTables(value as Table, entry, [...path, key]);
  }
  return own + inner;
}

/** Everything as dotted keys. */
function asDottedKeys(table: Table, shape: Shape, path: string[] = []): string {
  const lines = Object.entries(table).map(([key, value]) => {
    const entry = shape.kind === "named" ? shape.value : shape.kind === "table" ? shape.entries.get(key) : undefined;
    const here = [...path, key];
    if (entry !== undefined && entry.kind !== "field") return asDottedKeys(value as Table, entry, here);
    return `${here.map(tomlKey).join(" . ")} = ${tomlLiteral(value)}\n`;
  });
  return lines.length === 0 && path.length > 0 ? `${path.map(tomlKey).join(".")} = {}\n` : lines.join("");
}

/** Every table inline. */
function asInlineTables(table: Table): string {
  return Object.entries(table)
    .map(([key, value]) => `${key} = ${tomlLiteral(value)} # ${key}\r\n`)
    .join("");
}

function parsed(toml: string): LoadedConfig {
  const result = parseConfig(toml, "t.toml");
  if (result instanceof ConfigErrors) throw new Error(`${result.message}\n${toml}`);
  return result;
}

test(
  "a right configuration is read as it was meant, however it is written",
  () => {
    const property = fc.property(documents, (document) => {
      const meant = v.parse(ConfigSchema, document);
      expect(parsed(asTables(document, ROOT_SHAPE)).config).toEqual(meant);
      expect(parsed(asDottedKeys(document, ROOT_SHAPE)).config).toEqual(meant);
      expect(parsed(asInlineTables(document)).config).toEqual(meant);
    });
    fc.assert(property, { seed, numRuns: 100 });
  },
  TIMEOUT_MS,
);

test(
  "what is shown of it holds no API key",
  () => {
    const property = fc.property(documents, (document) => {
      const { config, ...rest } = parsed(asTables(document, ROOT_SHAPE));
      const shown = renderConfig({ config, ...rest });
      const keys = [config.stream.api_key, ...Object.keys(config.api_key)].filter((key) => key !== "");
      for (const key of keys) expect(shown).not.toContain(key.slice(0, 20));
    });
    fc.assert(property, { seed, numRuns: 50 });
  },
  TIMEOUT_MS,
);

test(
  "a line with a wrong value or name is told with its number, and nothing else is told",
  () => {
    const breaks = fc.constantFrom("= 1979-05-27", "= [[]]", "= nan", "_x = 1");
    const property = fc.property(documents, fc.nat(), breaks, (document, choice, wrong) => {
      const lines = asTables(document, ROOT_SHAPE).split("\n");
      const isBreakable = (line: string) => /^\w+ = /.test(line) && !/enabled|destination|api_key/.test(line);
      const candidates = lines.flatMap((line, index) => (isBreakable(line) ? [index] : []));
      fc.pre(candidates.length > 0);
      const index = candidates[choice % candidates.length] ?? 0;
      const key = lines[index]?.split(" ")[0] ?? "";
      lines[index] = wrong.startsWith("=") ? `${key} ${wrong}` : `${key}${wrong}`;
      const result = parseConfig(lines.join("\n"), "t.toml");
      const told = result instanceof ConfigErrors ? result.mistakes.map((mistake) => mistake.line) : [];
      // A misspelt key that is required is missing too: told at its table.
      const extra = told.length === 2 && key === "type" ? 1 : 0;
      expect(told.slice(extra)).toEqual([index + 1]);
    });
    fc.assert(property, { seed, numRuns: 100 });
  },
  TIMEOUT_MS,
);

/** Reads bytes as a file; whatever comes, it is a configuration or a list of mistakes of bounded length. */
function readBytes(bytes: Uint8Array): void {
  const environment = { isRoot: true, variables: {} };
  const loaded = loadConfig({ file: "/f", flags: {}, environment, reader: { read: () => bytes } });
  if (!(loaded instanceof ConfigErrors)) return;
  expect(loaded.mistakes.length).toBeGreaterThan(0);
  expect(loaded.message.length).toBeLessThan(100_000);
}

test(
  "bytes of any kind never do more than name mistakes",
  () => {
    const property = fc.property(fc.uint8Array({ maxLength: 500 }), readBytes);
    fc.assert(property, { seed, numRuns: 2000 });
  },
  TIMEOUT_MS,
);

test(
  "characters that TOML gives a meaning never do more than name mistakes",
  () => {
    const unit = fc.constantFrom(
      ..."[]{}=.,\"'\\#\n\r\t -+_:abstruefalsenan0123456789xeET",
      '"""',
      "'''",
      "web",
      "\u00e4",
      "[[",
    );
    const property = fc.property(fc.array(unit, { maxLength: 60 }), (parts) => {
      readBytes(new TextEncoder().encode(parts.join("")));
    });
    fc.assert(property, { seed, numRuns: 3000 });
  },
  TIMEOUT_MS,
);

test(
  "a file with pieces cut, doubled and moved never does more than name mistakes",
  () => {
    const sample = renderSample()
      .replace(/^#(?=\S)/gm, "")
      .replace(/^#.*\n/gm, "");
    const place = fc.nat({ max: sample.length });
    const edit = fc.record({ from: place, length: fc.nat({ max: 40 }), to: place, isMove: fc.boolean() });
    const property = fc.property(fc.array(edit, { minLength: 1, maxLength: 6 }), (edits) => {
      let mutated = sample;
      for (const { from, length, to, isMove } of edits) {
        const piece = mutated.slice(from, from + length);
        if (isMove) mutated = mutated.slice(0, from) + mutated.slice(from + length);
        mutated = mutated.slice(0, to) + piece + mutated.slice(to);
      }
      readBytes(new TextEncoder().encode(mutated));
    });
    fc.assert(property, { seed, numRuns: 300 });
  },
  TIMEOUT_MS,
);
