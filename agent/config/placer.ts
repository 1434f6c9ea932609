import { ConfigError, type Mistake } from "./config-error.ts";
import { flagAt } from "./flags.ts";
import { maskLine, secrecyOf } from "./mask.ts";
import type { ConfigPath } from "./shape.ts";
import type { Place, TomlPlaces } from "./toml-places.ts";

/** Brings mistakes and values back to where they stand: in the file, or on the command line. */
export class Placer {
  private readonly text: string;
  private readonly file: string;
  private readonly places: TomlPlaces;
  private readonly overridden: ReadonlyMap<string, string>;
  /** Offset of the first character of each line. */
  private readonly starts: number[] = [0];
  /** GUIDs in lower case → as the file spells them. */
  private readonly spellings = new Map<string, string>();
  private readonly secrets: { readonly place: Place; readonly secrecy: "whole" | "tail" }[] = [];

  /** @param file name for messages; empty without a file. @param overridden JSON of a path → flag. */
  constructor(text: string, file: string, places: TomlPlaces, overridden: ReadonlyMap<string, string>) {
    this.text = text;
    this.file = file;
    this.places = places;
    this.overridden = overridden;
    for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) this.starts.push(at + 1);
    for (const { path, place } of places.all()) {
      const [table, name] = path;
      const secrecy = place.end > place.value ? secrecyOf(path) : undefined;
      if (secrecy !== undefined) this.secrets.push({ place, secrecy });
      if (path.length !== 2 || (table !== "api_key" && table !== "machine")) continue;
      const lower = `${table}.${String(name).toLowerCase()}`;
      if (!this.spellings.has(lower)) this.spellings.set(lower, String(name));
    }
  }

  /** The message for a mistake. */
  place(mistake: Mistake): ConfigError {
    const { problem, hint } = mistake;
    const flag = flagAt(this.overridden, mistake.path);
    if (flag !== undefined) return ConfigError.unplaced(flag, problem, hint);
    const path = this.spelled(mistake.path);
    const exact = this.places.at(path);
    const place = exact ?? this.places.nearest(path);
    if (place === undefined) return ConfigError.unplaced(this.file, problem, hint);
    const offset = mistake.at === "value" && exact !== undefined ? place.value : place.key;
    const line = this.lineOf(offset);
    const start = this.starts[line - 1]!;
    return ConfigError.placed(this.file, this.quoted(line), line, offset - start + 1, problem, hint);
  }

  /** Where a value comes from: `--flag`, `FILE:LINE` or `default`. */
  origin(path: ConfigPath): string {
    const flag = flagAt(this.overridden, path);
    if (flag !== undefined) return flag;
    const place = this.places.at(this.spelled(path));
    return place === undefined ? "default" : `${this.file}:${this.lineOf(place.key)}`;
  }

  /** One line of the file without its secrets. @param line from 1. */
  private quoted(line: number): string {
    const start = this.starts[line - 1]!;
    const next = this.starts[line] ?? this.text.length + 1;
    const source = this.text.slice(start, next - 1).replace(/\r$/, "");
    const end = start + source.length;
    const hidden = this.secrets.filter(({ place }) => place.value < end && place.end > start);
    const spans = hidden.map(({ place, secrecy }) => {
      return [Math.max(place.value - start, 0), Math.min(place.end - start, source.length), secrecy] as const;
    });
    return maskLine(source, spans);
  }

  private spelled(path: ConfigPath): ConfigPath {
    const [table, name, ...rest] = path;
    const spelling = this.spellings.get(`${table}.${name}`);
    return spelling === undefined || table === undefined ? path : [table, spelling, ...rest];
  }

  /** @returns from 1. */
  private lineOf(offset: number): number {
    let low = 0;
    let high = this.starts.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.starts[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    return low + 1;
  }
}
