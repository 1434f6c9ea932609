import { type ConfigPath, ROOT_SHAPE, referenceName, type Shape, shapeAt, walkFields } from "./shape.ts";

/** Words longer than this are not compared letter by letter; no key of ours has 50. */
const WORD_LENGTH_MAX = 64;
const TABLES_TOLD_MAX = 3;
const NAMES_TOLD_MAX = 12;

/** Sections of netdata's files → the table that has their keys. */
const NETDATA_SECTIONS: Readonly<Record<string, string>> = {
  global: "[agent] and [db]",
  backend: "[exporter.NAME]",
  exporting: "[exporter.NAME]",
  plugins: "[collector]",
  directories: "[agent]",
  logs: "[log]",
  host_labels: "[agent.labels]",
};

/** What to do about a name that its table does not have. @param path of the unknown key or table. */
export function hintForUnknown(path: ConfigPath): string {
  const word = String(path[path.length - 1]);
  const shape = path.length === 1 ? ROOT_SHAPE : shapeAt(path.slice(0, -1));
  const names = shape?.kind === "table" ? [...shape.entries.keys()] : [];
  const table = path.length === 1 ? "" : ` of [${referenceName(path.slice(0, -1))}]`;
  const close = nearest(word, names, 2);
  if (close !== undefined) return `did you mean "${close}"?`;
  const alias = shape === undefined ? undefined : netdataAlias(word, shape);
  if (alias !== undefined) return `netdata's "${word}" is "${alias}" here`;
  const elsewhere = tablesWith(word);
  if (elsewhere.length > 0) return `"${word}" is a key of ${elsewhere.join(" and ")}`;
  const section = path.length === 1 ? NETDATA_SECTIONS[word.toLowerCase()] : undefined;
  if (section !== undefined) return `what netdata has in [${word}] is in ${section} here`;
  const far = nearest(word, names, 4);
  if (far !== undefined) return `did you mean "${far}"?`;
  if (names.length > NAMES_TOLD_MAX) return `see the keys${table} in the configuration reference`;
  return path.length === 1 ? `the tables are ${names.join(", ")}` : `the keys${table} are ${names.join(", ")}`;
}

/**
 * The candidate that needs the fewest edits (insert, delete, replace, swap of neighbours), if that is at most
 * `editsMax` and a third of the word.
 */
export function nearest(word: string, candidates: readonly string[], editsMax: number): string | undefined {
  if (word.length > WORD_LENGTH_MAX) return undefined;
  const limit = Math.min(editsMax, Math.max(1, Math.floor(word.length / 3)));
  const lower = word.toLowerCase().replaceAll("-", "_");
  let best: string | undefined;
  let bestEdits = limit + 1;
  for (const candidate of candidates) {
    const edits = editDistance(lower, candidate);
    if (edits < bestEdits) {
      best = candidate;
      bestEdits = edits;
    }
  }
  return best;
}

/** Optimal string alignment distance. Time and memory: product of the lengths, which the caller bounds. */
export function editDistance(a: string, b: string): number {
  let last: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let edits = Math.min(previous[j]! + 1, current[j - 1]! + 1, previous[j - 1]! + same);
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (isSwap) edits = Math.min(edits, last[j - 2]! + 1);
      current.push(edits);
    }
    last = previous;
    previous = current;
  }
  return previous[b.length]!;
}

/** The key of a table that netdata's files call `word`. */
function netdataAlias(word: string, shape: Shape): string | undefined {
  if (shape.kind !== "table") return undefined;
  const wanted = plainWords(word);
  for (const [key, entry] of shape.entries) {
    if (entry.kind !== "field") continue;
    const options = (entry.meta.netdata ?? "").replace(/\[[^\]]*\]|\([^)]*\)/g, "").split(/[,;]/);
    if (options.some((option) => plainWords(option) === wanted)) return key;
  }
  return undefined;
}

function plainWords(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, " ")
    .trim();
}

/** Tables that have a key of exactly this name, as they are written in the file. */
function tablesWith(word: string): string[] {
  const tables: string[] = [];
  walkFields((table, key) => {
    if (key === word && table[0] !== "collector") tables.push(`[${table.join(".")}]`);
  });
  return tables.slice(0, TABLES_TOLD_MAX);
}
