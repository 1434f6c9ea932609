import type { Mistake } from "./config-error.ts";
import type { ConfigPath } from "./shape.ts";
import type { RawTable } from "./validate.ts";

/** Flags of the command line that beat the file, as typed (config.md §1). */
export interface ConfigFlags {
  /** `--listen ADDR:PORT`, several separated by commas. */
  readonly listen?: string | undefined;
  /** `--parent HOST:PORT`, several separated by commas; switches streaming on. */
  readonly parent?: string | undefined;
  /** `--key GUID`, the API key for the parent. */
  readonly key?: string | undefined;
  readonly memory?: string | undefined;
  readonly history?: string | undefined;
  readonly state?: string | undefined;
}

/** A document with the flags written into it. */
export interface FlaggedDocument {
  readonly document: RawTable;
  /** JSON of a path → the flag it came from. */
  readonly overridden: ReadonlyMap<string, string>;
  readonly mistakes: readonly Mistake[];
}

/** Writes the flags over the document; the document given stays as it is. */
export function applyFlags(document: RawTable, flags: ConfigFlags): FlaggedDocument {
  const result: RawTable = { ...document };
  const overridden = new Map<string, string>();
  const set = (table: string, key: string, value: unknown, flag: string) => {
    const old = result[table];
    result[table] = { ...(typeof old === "object" && old !== null ? old : {}), [key]: value };
    overridden.set(JSON.stringify([table, key]), flag);
  };
  if (flags.listen !== undefined) {
    set("web", "enabled", true, "--listen");
    set("web", "listen", flags.listen, "--listen");
  }
  if (flags.parent !== undefined) {
    set("stream", "enabled", true, "--parent");
    set("stream", "destination", flags.parent, "--parent");
  }
  if (flags.key !== undefined) set("stream", "api_key", flags.key, "--key");
  if (flags.memory !== undefined) set("db", "mode", flags.memory, "--memory");
  if (flags.history !== undefined) set("db", "history", wholeNumber(flags.history), "--history");
  if (flags.state !== undefined) set("agent", "state_dir", flags.state, "--state");
  return { document: result, overridden, mistakes: keyAlone(result, flags) };
}

/** The flag that gave the value at this path, or undefined. */
export function flagAt(overridden: ReadonlyMap<string, string>, path: ConfigPath): string | undefined {
  return overridden.get(JSON.stringify(path.slice(0, 2)));
}

function keyAlone(document: RawTable, flags: ConfigFlags): Mistake[] {
  const { stream } = document;
  const isOn = typeof stream === "object" && stream !== null && "enabled" in stream && stream.enabled === true;
  if (flags.key === undefined || isOn) return [];
  const problem = "a key alone does nothing: streaming is off";
  return [{ path: ["stream", "api_key"], problem, hint: "give --parent HOST:PORT too", at: "value" }];
}

function wholeNumber(text: string): number | string {
  return /^\d{1,15}$/.test(text) ? Number(text) : text;
}
