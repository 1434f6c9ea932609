import { SimplePattern } from "../base/pattern.ts";
import { shownPath } from "./mask.ts";
import type { Config } from "./schema.ts";
import { ROOT_SHAPE, type Shape, walkFields } from "./shape.ts";

/** What a reload makes of a newly read file. Names are those of keys or of whole named tables, secrets masked. */
export interface Reload {
  /** In effect from now on: the new one, but with the old value of every key that waits for a restart. */
  readonly config: Config;
  /** What takes effect at once. */
  readonly now: readonly string[];
  /** What differs from the file and waits for the next start. */
  readonly atRestart: readonly string[];
}

/**
 * The keys that a running agent follows; a key that is not named here waits for a restart. The first word that matches
 * decides.
 */
const FOLLOWED = new SimplePattern(
  [
    "agent.labels api_key.* machine.* exporter.* stream.* log.*",
    "web.allow_* web.gzip_level web.disconnect_idle_clients_after_seconds",
    "db.cleanup_* db.delete_* db.*replicat*",
    "!collector.host_prefix collector.*",
  ].join(" "),
);

/**
 * Decides what a running agent takes over of a newly read configuration (config.md §1).
 * @param inEffect what holds now: what waited at an earlier reload is therefore named again.
 */
export function planReload(inEffect: Config, file: Config): Reload {
  const now: string[] = [];
  const atRestart: string[] = [];
  let config: Table = file;
  for (const path of changedPaths(ROOT_SHAPE, [], inEffect, file)) {
    if (isFollowed(path)) now.push(shownPath(path));
    else {
      atRestart.push(shownPath(path));
      config = withValueOf(inEffect, config, path);
    }
  }
  return { config: config as Config, now, atRestart };
}

/** Names of all keys that wait for a restart, in the order of the file. */
export function keysThatWait(): string[] {
  const names: string[] = [];
  walkFields((table, key) => {
    if (!isFollowed([...table, key])) names.push([...table, key].join("."));
  });
  return names;
}

type Table = Readonly<Record<string, unknown>>;

function isFollowed(path: readonly string[]): boolean {
  return FOLLOWED.matches(path.join("."));
}

/** Tables of free names are compared, and named, as a whole. */
function changedPaths(shape: Shape, path: readonly string[], before: unknown, after: unknown): (readonly string[])[] {
  if (shape.kind === "field" || !isTable(before) || !isTable(after)) {
    return Bun.deepEquals(before, after) ? [] : [path];
  }
  if (shape.kind === "named") {
    const names = new Set([...Object.keys(before), ...Object.keys(after)]);
    return [...names].filter((name) => !Bun.deepEquals(before[name], after[name])).map((name) => [...path, name]);
  }
  return [...shape.entries].flatMap(([key, entry]) => changedPaths(entry, [...path, key], before[key], after[key]));
}

/** `to` with the value that `from` has at the path; only the tables on the way are copied. */
function withValueOf(from: Table, to: Table, [key = "", ...rest]: readonly string[]): Table {
  const [kept, other] = [from[key], to[key]];
  const isInside = rest.length > 0 && isTable(kept) && isTable(other);
  return { ...to, [key]: isInside ? withValueOf(kept, other, rest) : kept };
}

function isTable(value: unknown): value is Table {
  return typeof value === "object" && value !== null;
}
