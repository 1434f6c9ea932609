/** Rooms below `agent/` and the rooms each may import; features take only types from `config`. */
const CORES = ["rrd", "wire", "config", "door", "web", "format"];
const FEATURES = ["collector", "pusher", "receiver", "exporter", "http"];
const FEATURE_IMPORTS = ["base", "rrd", "wire", "format", "config"];

/** The layer table: imports go down only. */
export const ROOMS: Readonly<Record<string, readonly string[]>> = {
  main: ["cli"],
  cli: ["app", "config", "base"],
  app: ["base", ...CORES, ...FEATURES],
  ...Object.fromEntries(FEATURES.map((room) => [room, FEATURE_IMPORTS])),
  ...Object.fromEntries(CORES.map((room) => [room, ["base"]])),
  base: [],
};

const FILE_LINES_MAX = 400;
const LINE_LENGTH_MAX = 120;
const FORBIDDEN_NAMES = new Set(["utils", "util", "helpers", "helper", "common", "misc", "shared"]);
/** Time and chance come in through `base/clock.ts`, so that every room runs on a simulated world. */
const CLOCKS = /\b(?:Date\.now|performance\.now|Math\.random|Bun\.nanoseconds|process\.hrtime)\b|\bnew Date\(\s*\)/;
const CLOCK_OWNERS = ["agent/base/clock.ts", "agent/app/", "agent/cli/"];

/** One import or re-export of a file. */
interface Import {
  from: string;
  isTypeOnly: boolean;
}

/**
 * Everything about one file of `agent/` that the house style forbids.
 * @param path from the root of the repository, `agent/wire/scan.ts`.
 * @returns one sentence a violation, starting with the path; empty when the file is tidy.
 */
export function tidyProblems(path: string, text: string): string[] {
  const problems = [...nameProblems(path), ...sizeProblems(text)];
  const code = withoutComments(text);
  if (/^\s*export\s+default\b|\bas default\b/m.test(code)) problems.push("default export: name it");
  if (!CLOCK_OWNERS.some((owner) => path.startsWith(owner))) {
    const clock = CLOCKS.exec(code)?.[0];
    if (clock !== undefined) problems.push(`${clock}: take time and chance from base/clock.ts`);
  }
  for (const entry of importsOf(code)) problems.push(...importProblems(path, entry));
  return problems.map((problem) => `${path}: ${problem}`);
}

function nameProblems(path: string): string[] {
  const problems: string[] = [];
  const parts = path.split("/");
  const name = parts.at(-1) ?? "";
  if (/^index\.[jt]sx?$/.test(name)) problems.push("barrel: import the file that has the thing");
  if (!/^[a-z0-9]+(?:-[a-z0-9]+)*\.tsx?$/.test(name)) problems.push("file name: kebab-case.ts");
  const forbidden = [...parts.slice(1, -1), name.replace(/\.tsx?$/, "")].find((part) => FORBIDDEN_NAMES.has(part));
  if (forbidden !== undefined) problems.push(`"${forbidden}" names no idea: name it after what it does`);
  if (ROOMS[roomOf(path)] === undefined) problems.push(`"${roomOf(path)}" is not a room of the architecture`);
  return problems;
}

function sizeProblems(text: string): string[] {
  const problems: string[] = [];
  const lines = text.replace(/\n$/, "").split("\n");
  if (lines.length > FILE_LINES_MAX) problems.push(`${lines.length} lines, at most ${FILE_LINES_MAX}`);
  const long = lines.findIndex((line) => line.length > LINE_LENGTH_MAX);
  if (long >= 0) problems.push(`line ${long + 1} is longer than ${LINE_LENGTH_MAX} characters`);
  return problems;
}

function importProblems(path: string, { from, isTypeOnly }: Import): string[] {
  if (!from.startsWith(".")) return [];
  const problems: string[] = [];
  // Data files are imported by their own ending.
  if (
    !/\.(?:tsx?|json|txt|css|html|svg|woff2|js)$/.test(from) ||
    (from.endsWith(".js") && !path.startsWith("agent/web/"))
  )
    problems.push(`"${from}": imports carry the .ts ending`);
  const target = resolve(path, from);
  if (target === "package.json" || (target.startsWith("dist/ui/") && path.startsWith("agent/web/"))) return problems;
  if (!target.startsWith("agent/")) return [...problems, `"${from}" leaves agent/`];
  const room = roomOf(path);
  const other = roomOf(target);
  if (path.startsWith("agent/web/ui/") && !target.startsWith("agent/web/ui/"))
    return [...problems, `"${from}": browser code imports nothing of the agent`];
  if (other === room) return problems;
  if (!(ROOMS[room] ?? []).includes(other)) problems.push(`${room} must not import ${other} ("${from}")`);
  else if (FEATURES.includes(room) && other === "config" && !isTypeOnly)
    problems.push(`${room} takes only types from config ("${from}")`);
  return problems;
}

/** `agent/wire/scan.ts` → `wire`, `agent/main.ts` → `main`. */
function roomOf(path: string): string {
  return (path.split("/")[1] ?? "").replace(/\.tsx?$/, "");
}

/** @param from relative, as written in the file `path`. */
function resolve(path: string, from: string): string {
  return new URL(from, `file:///${path}`).pathname.slice(1);
}

/** Every import, re-export and `import("…")` (of a value or a type) in code without comments. */
function importsOf(code: string): Import[] {
  const found: Import[] = [];
  for (const match of code.matchAll(/^\s*(?:import|export)\s+([\w*$\s{},]+?)\s*from\s*["']([^"']+)["']/gm))
    found.push({ from: match[2] ?? "", isTypeOnly: isTypeOnly(match[1] ?? "") });
  for (const match of code.matchAll(/^\s*import\s*["']([^"']+)["']/gm))
    found.push({ from: match[1] ?? "", isTypeOnly: false });
  for (const match of code.matchAll(/\bimport\(\s*["']([^"']+)["']/g))
    found.push({ from: match[1] ?? "", isTypeOnly: false });
  return found;
}

/** @param clause what stands between `import` and `from`. */
function isTypeOnly(clause: string): boolean {
  if (/^type\s/.test(clause)) return true;
  const names = /^\{([\s\S]*)\}$/.exec(clause.trim())?.[1]?.split(",") ?? [""];
  return names.map((name) => name.trim()).every((name, i) => /^type\s/.test(name) || (name === "" && i > 0));
}

/** The same code with comments blanked; a `//` inside a string stays, as it never follows a blank there. */
function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, " ").replace(/(^|\s)\/\/.*$/gm, "$1");
}
