import { expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ConfigErrors } from "../../agent/config/config-error.ts";
import { renderJsonSchema } from "../../agent/config/json-schema.ts";
import { parseConfig } from "../../agent/config/load.ts";
import { renderReference, renderSample } from "../../agent/config/reference.ts";
import { defaultConfig } from "../../agent/config/schema.ts";
import { walkFields } from "../../agent/config/shape.ts";

/** `TRIBUTARY_UPDATE_GOLDEN=1 bun test test/golden/config-reference.test.ts` writes the files anew, for review as a diff. */
const isUpdate = process.env["TRIBUTARY_UPDATE_GOLDEN"] === "1";

const goldens: [string, string][] = [
  ["config-reference.md", renderReference()],
  ["config-reference-sample.toml", renderSample()],
  ["config-reference-schema.json", `${JSON.stringify(renderJsonSchema(), null, 2)}\n`],
];
test.each(goldens)("%s is what the schema says", (name, text) => {
  const path = join(import.meta.dir, name);
  if (isUpdate) writeFileSync(path, text);
  expect(text).toBe(readFileSync(path, "utf8"));
});

test("the sample as it stands gives the defaults", () => {
  const parsed = parseConfig(renderSample(), "sample.toml");
  expect(parsed instanceof ConfigErrors ? parsed.message : parsed.config).toEqual(defaultConfig());
});

test("the sample with every key uncommented is right, and still gives the defaults", () => {
  const parsed = parseConfig(renderSample().replace(/^#(?=\S)/gm, ""), "sample.toml");
  if (parsed instanceof ConfigErrors) throw parsed;
  const { api_key, machine, exporter, ...rest } = parsed.config;
  const defaults = defaultConfig();
  expect({ ...rest, api_key: {}, machine: {}, exporter: {} }).toEqual(defaults);
  expect([Object.keys(api_key), Object.keys(machine), Object.keys(exporter)].map((names) => names.length)).toEqual([
    1, 1, 1,
  ]);
});

test("every key has a meaning that ends in a full stop, and limits that its default keeps", () => {
  const wrong: string[] = [];
  walkFields((table, key, { meta, defaultValue }) => {
    const name = [...table, key].join(".");
    if (!/^[^ ].*[^ ]\.$/.test(meta.meaning)) wrong.push(`${name}: ${meta.meaning}`);
    const { min = Number.NaN, max = Number.NaN } = meta;
    const isWithin = typeof defaultValue !== "number" || (defaultValue >= min && defaultValue <= max);
    if (meta.kind === "int" && !isWithin) wrong.push(`${name}: ${defaultValue} is not within ${min}…${max}`);
  });
  expect(wrong).toEqual([]);
});
