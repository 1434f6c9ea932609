/**
 * Writes `agent/cli/licenses.txt`, the licence texts of everything that is inside the compiled binary, from LICENSE,
 * the installed packages and `scripts/notices`. The file is committed, so that the agent prints it when run from
 * source too; `test/unit/build-licenses.test.ts` fails when it is out of date.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dir, "..");
const NOTICES = join(import.meta.dir, "notices");
const RULE = "=".repeat(80);

/** Where the collected text is kept. */
export const LICENSES_FILE: string = join(ROOT, "agent/cli/licenses.txt");

/** What this script reads of a `package.json`. */
interface Manifest {
  name: string;
  version: string;
  license?: string;
  dependencies?: Record<string, string>;
}

/** The heading of a package in the collected text. @param name as in `package.json`. */
export function packageHeading(name: string, version: string): string {
  return `${name} ${version}`;
}

/**
 * The whole text: Tributary's own licence, every run-time package with what it needs itself, the Bun runtime.
 * @throws Error when a package that goes into the binary carries no licence file.
 */
export function collectLicenses(): string {
  const own = readManifest(ROOT);
  return [
    "Tributary is one file that holds its own code, the packages listed below and the Bun runtime.",
    section("Tributary", own.license, read(join(ROOT, "LICENSE"))),
    ...bundledPackages(own).map(packageSection),
    runtimeSection(),
  ].join("\n");
}

/** Run-time packages with their own dependencies, by name. */
function bundledPackages(own: Manifest): Manifest[] {
  const found = new Map<string, Manifest>();
  const waiting = Object.keys(own.dependencies ?? {});
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (found.has(name)) continue;
    const manifest = readManifest(join(ROOT, "node_modules", name));
    found.set(name, manifest);
    waiting.push(...Object.keys(manifest.dependencies ?? {}));
  }
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function packageSection(manifest: Manifest): string {
  const folder = join(ROOT, "node_modules", manifest.name);
  const files = readdirSync(folder).filter((name) => /^(licen[cs]e|notice|copying)/i.test(name));
  if (!files.some((name) => !/^notice/i.test(name))) throw new Error(`${manifest.name}: no licence file in ${folder}`);
  const texts = files.sort().map((name) => read(join(folder, name)));
  return section(packageHeading(manifest.name, manifest.version), manifest.license, texts.join("\n"));
}

/** Bun ships its notice as a page of its documentation; the texts that page names in words come with it. */
function runtimeSection(): string {
  const { version } = readManifest(join(ROOT, "node_modules/bun-types"));
  const page = join(ROOT, "node_modules/bun-types/docs/project/license.mdx");
  if (!existsSync(page)) throw new Error(`Bun's licence notice is missing: ${page}`);
  const notice = read(page).replace(/^---\n[\s\S]*?\n---\n+/, "");
  return [
    section(packageHeading("Bun", version), "MIT, with parts under the licences listed here", plainTables(notice)),
    section("The MIT License, as referred to by Bun", "MIT", read(join(NOTICES, "MIT.txt"))),
    section("GNU Library GPL 2, as referred to by Bun", "LGPL-2.0", read(join(NOTICES, "LGPL-2.0.txt"))),
    section("GNU Lesser GPL 2.1, as referred to by Bun", "LGPL-2.1", read(join(NOTICES, "LGPL-2.1.txt"))),
  ].join("\n");
}

/** Markdown tables to `name (address): licence` lines; everything else stays. */
function plainTables(markdown: string): string {
  const lines: string[] = [];
  for (const line of markdown.split("\n")) {
    if (/^\|[\s|-]+\|$/.test(line)) continue;
    const cells = line.startsWith("|") ? line.slice(1, -1).split("|") : [line];
    lines.push(cells.map((cell) => plainLinks(cell.trimEnd()).trim()).join(": "));
  }
  return lines.join("\n");
}

/** A link to a package's page in a registry says no more than its name, and registries are named nowhere here. */
function plainLinks(markdown: string): string {
  const named = markdown.replace(/\[`?([^\]`]+)`?\]\([^)]*\/package\/[^)]*\)/g, "$1");
  return named.replace(/\[`?([^\]`]+)`?\]\(([^)]+)\)/g, "$1 ($2)");
}

function section(title: string, license: string | undefined, text: string): string {
  return `\n${RULE}\n${title} · ${license ?? "licence as below"}\n${RULE}\n\n${text.trim()}\n`;
}

function readManifest(folder: string): Manifest {
  return JSON.parse(read(join(folder, "package.json"))) as Manifest;
}

function read(file: string): string {
  return readFileSync(file, "utf8").replaceAll("\r\n", "\n").replaceAll("\f", "");
}

if (import.meta.main) writeFileSync(LICENSES_FILE, collectLicenses());
