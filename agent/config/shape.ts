import * as v from "valibot";
import { assert } from "../base/assert.ts";
import type { FieldMeta } from "./fields.ts";
import { ConfigSchema } from "./schema.ts";

/** Path of a key in the file: names of tables and keys, numbers for entries of arrays. */
export type ConfigPath = readonly (string | number)[];

/** The schema as everything else walks it: messages, reference, sample, JSON Schema, `config show`. */
export type Shape = TableShape | NamedShape | FieldShape;

/** A table with known keys. */
export interface TableShape {
  readonly kind: "table";
  readonly entries: ReadonlyMap<string, Shape>;
}

/** A table of tables with free names; `name` (`GUID`, `NAME`) stands for one of them. */
export interface NamedShape {
  readonly kind: "named";
  readonly name: string;
  readonly value: Shape;
}

/** One key. `defaultValue` is undefined when it has none: required, inherited or computed. */
export interface FieldShape {
  readonly kind: "field";
  readonly meta: FieldMeta;
  readonly defaultValue: unknown;
  readonly isRequired: boolean;
}

/** The whole file. */
export const ROOT_SHAPE: Shape = shapeOf(ConfigSchema);

/** The shape at a path; undefined if there is no such key. The name of a named table may be any. */
export function shapeAt(path: ConfigPath): Shape | undefined {
  let shape: Shape | undefined = ROOT_SHAPE;
  for (const segment of path) {
    // Inside one key (entries of a list, names of a map) its shape stays the same.
    if (shape === undefined || shape.kind === "field") break;
    shape = shape.kind === "named" ? shape.value : shape.entries.get(String(segment));
  }
  return shape;
}

/** The path with placeholders for free names, as the reference spells it: `api_key.GUID.enabled`. */
export function referenceName(path: ConfigPath): string {
  const names: string[] = [];
  let shape: Shape | undefined = ROOT_SHAPE;
  for (const segment of path) {
    if (shape === undefined || shape.kind === "field") break;
    names.push(shape.kind === "named" ? shape.name : String(segment));
    shape = shape.kind === "named" ? shape.value : shape.entries.get(String(segment));
  }
  return names.join(".");
}

/** Visits every field in the order of the file, tables before the tables inside them. */
export function walkFields(visit: (table: readonly string[], key: string, field: FieldShape) => void): void {
  walk(ROOT_SHAPE, [], visit);
}

function walk(shape: Shape, path: readonly string[], visit: Parameters<typeof walkFields>[0]): void {
  if (shape.kind === "named") walk(shape.value, [...path, shape.name], visit);
  if (shape.kind !== "table") return;
  for (const [key, entry] of shape.entries) if (entry.kind === "field") visit(path, key, entry);
  for (const [key, entry] of shape.entries) if (entry.kind !== "field") walk(entry, [...path, key], visit);
}

function shapeOf(schema: v.GenericSchema): Shape {
  const isOptional = schema.type === "optional";
  const inner = isOptional && "wrapped" in schema ? (schema.wrapped as v.GenericSchema) : schema;
  const about: { field?: FieldMeta; named?: string } = v.getMetadata(inner);
  if (about.field !== undefined) {
    return { kind: "field", meta: about.field, defaultValue: v.getDefault(schema), isRequired: !isOptional };
  }
  if (about.named !== undefined && "value" in inner) {
    return { kind: "named", name: about.named, value: shapeOf(inner.value as v.GenericSchema) };
  }
  assert("entries" in inner, `schema of type ${inner.type} is neither a table nor a documented field`);
  const entries = Object.entries(inner.entries as Record<string, v.GenericSchema>);
  return { kind: "table", entries: new Map(entries.map(([key, entry]) => [key, shapeOf(entry)])) };
}
