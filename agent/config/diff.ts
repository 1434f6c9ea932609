import { shownPath } from "./mask.ts";
import type { Config } from "./schema.ts";
import { ROOT_SHAPE, type Shape } from "./shape.ts";

/** What a reload changes, as names of keys or of whole named tables, secrets masked. */
export interface ConfigChange {
  /** Take effect at once. */
  readonly now: readonly string[];
  /** Take effect at the next start: named in one warning. */
  readonly atRestart: readonly string[];
}

/** Tables of free names: they are compared, and named, as a whole. */
const NAMED_TABLES = ["api_key", "machine", "exporter"];

/** Compares the configuration in effect with a newly read one (config.md §1). */
export function diffConfig(before: Config, after: Config): ConfigChange {
  const now: string[] = [];
  const atRestart: string[] = [];
  for (const path of changedPaths(ROOT_SHAPE, [], before, after)) {
    (takesEffectNow(path) ? now : atRestart).push(shownPath(path));
  }
  return { now, atRestart };
}

function takesEffectNow(path: readonly string[]): boolean {
  const [table = "", key = "", inner = ""] = path;
  if (NAMED_TABLES.includes(table) || table === "log") return true;
  if (table === "stream") return key === "destination" || key === "api_key";
  if (table === "web") return key.startsWith("allow_");
  return table === "collector" && inner === "enabled";
}

function changedPaths(shape: Shape, path: readonly string[], before: unknown, after: unknown): (readonly string[])[] {
  if (shape.kind === "field" || !isRecord(before) || !isRecord(after)) {
    return Bun.deepEquals(before, after) ? [] : [path];
  }
  if (shape.kind === "named") {
    const names = new Set([...Object.keys(before), ...Object.keys(after)]);
    return [...names].filter((name) => !Bun.deepEquals(before[name], after[name])).map((name) => [...path, name]);
  }
  return [...shape.entries].flatMap(([key, entry]) => changedPaths(entry, [...path, key], before[key], after[key]));
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
