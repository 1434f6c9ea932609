import type { FieldMeta } from "./fields.ts";
import { defaultSentence } from "./reference.ts";
import { type FieldShape, type NamedShape, ROOT_SHAPE, type Shape } from "./shape.ts";

/** A JSON Schema or a part of one. */
export interface JsonSchema {
  readonly [keyword: string]: unknown;
}

const GUID = "[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}";
const NAME_PATTERNS: Readonly<Record<string, string>> = { GUID: `^${GUID}$`, NAME: "^[A-Za-z0-9_-]{1,64}$" };

/** The file as a JSON Schema (draft 2020-12) for editors and provisioning tools. */
export function renderJsonSchema(): JsonSchema {
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "tributary.toml",
    ...schemaOf(ROOT_SHAPE),
  };
}

function schemaOf(shape: Shape): JsonSchema {
  if (shape.kind === "field") return fieldSchema(shape);
  if (shape.kind === "named") return namedSchema(shape);
  const properties: Record<string, JsonSchema> = {};
  const required: string[] = [];
  for (const [key, entry] of shape.entries) {
    properties[key] = schemaOf(entry);
    if (entry.kind === "field" && entry.isRequired) required.push(key);
  }
  const table = { type: "object", additionalProperties: false, properties };
  return required.length === 0 ? table : { ...table, required };
}

function namedSchema(shape: NamedShape): JsonSchema {
  return {
    type: "object",
    propertyNames: { pattern: NAME_PATTERNS[shape.name] },
    additionalProperties: schemaOf(shape.value),
  };
}

function fieldSchema(field: FieldShape): JsonSchema {
  const { meta, defaultValue } = field;
  const description = `${meta.meaning} ${defaultSentence(meta.fallback)}`.trimEnd();
  const schema = { description, ...typeOf(meta) };
  return defaultValue === undefined ? schema : { ...schema, default: defaultValue };
}

function typeOf(meta: FieldMeta): JsonSchema {
  switch (meta.kind) {
    case "int":
      return { type: "integer", minimum: meta.min, maximum: meta.max };
    case "bool":
      return { type: "boolean" };
    case "words":
      return { enum: (meta.words ?? []).map((word): unknown => JSON.parse(word)) };
    case "list":
      return { anyOf: [{ type: "array", items: { type: "string" }, maxItems: 100 }, { type: "string" }] };
    case "guid":
      return { type: "string", pattern: `^(${GUID})?$` };
    case "path":
      return { type: "string", pattern: "^(/.*)?$" };
    case "map": {
      const value = meta.values === "switch" ? { enum: [true, false, "auto"] } : { type: "string", maxLength: 200 };
      return { type: "object", maxProperties: meta.max, additionalProperties: value };
    }
    case "string":
      return { type: "string", maxLength: meta.max };
    default:
      return { type: "string" };
  }
}
