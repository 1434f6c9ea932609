import type { LoadedConfig } from "./load.ts";
import { maskSecret, secrecyOf, shownPath } from "./mask.ts";
import { tomlKey, tomlLiteral } from "./reference.ts";
import { type FieldShape, ROOT_SHAPE, type Shape } from "./shape.ts";

/** The configuration that a start with it puts into effect, as TOML, each value with its origin, secrets masked. */
export function renderConfig(loaded: LoadedConfig): string {
  const source = loaded.fileName ?? "no file, all defaults";
  return `# ${source}\n${renderTable(loaded, ROOT_SHAPE, [], loaded.config)}`;
}

function renderTable(loaded: LoadedConfig, shape: Shape, path: readonly string[], value: unknown): string {
  if (typeof value !== "object" || value === null || shape.kind === "field") return "";
  const table = value as Readonly<Record<string, unknown>>;
  if (shape.kind === "named") {
    const names = Object.keys(table).sort();
    return names.map((name) => renderTable(loaded, shape.value, [...path, name], table[name])).join("");
  }
  let own = "";
  let inner = "";
  for (const [key, entry] of shape.entries) {
    if (entry.kind === "field") own += renderField(loaded, entry, [...path, key], table[key]);
    else inner += renderTable(loaded, entry, [...path, key], table[key]);
  }
  return own === "" ? inner : `\n[${shownPath(path)}]\n${own}${inner}`;
}

function renderField(loaded: LoadedConfig, field: FieldShape, path: readonly string[], value: unknown): string {
  const key = tomlKey(path[path.length - 1] ?? "");
  if (value === undefined) return `# ${key}: ${field.meta.fallback ?? "not set"}\n`;
  const secrecy = secrecyOf(path);
  const shown = secrecy === undefined ? value : maskSecret(String(value), secrecy);
  const origin = loaded.origin(path);
  const meaning =
    origin === "default" && field.meta.fallback !== undefined && !isSet(value) ? ` (${field.meta.fallback})` : "";
  return `${key} = ${tomlLiteral(shown)}  # ${origin}${meaning}\n`;
}

/** `""` and 0 stand for something computed; the reader wants to know for what. */
function isSet(value: unknown): boolean {
  return value !== "" && value !== 0;
}
