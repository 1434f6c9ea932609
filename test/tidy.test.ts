import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { ROOMS, tidyProblems } from "./tidy-rules.ts";

const ROOT = join(import.meta.dir, "..");

/** Files of the repository as a clone has them, new ones not yet committed included. */
function repositoryFiles(...pathspecs: string[]): string[] {
  const { success, stdout, stderr } = Bun.spawnSync(
    ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", ...pathspecs],
    { cwd: ROOT },
  );
  if (!success) throw new Error(`git ls-files: ${stderr}`);
  const paths = stdout.toString().split("\0");
  return paths.filter((path) => path !== "" && existsSync(join(ROOT, path)) && statSync(join(ROOT, path)).isFile());
}

function read(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

describe("the agent's sources", () => {
  const files = repositoryFiles("agent").filter((path) => /\.[jt]sx?$/.test(path));
  test("are found", () => expect(files).toContain("agent/main.ts"));
  test.each(files)("%s is tidy", (path) => expect(tidyProblems(path, read(path))).toEqual([]));
});

describe("every text of the repository", () => {
  // Written in pieces, so that this file does not hold what it looks for.
  const machinePath = new RegExp(`(?:^|[\\s"'\`(=:])/(?:${"wo"}rk|${"fa"}rm|home/\\w+|tmp/${"bash"}_jobs)/`, "m");
  const registryHost = new RegExp(`${"npm"}js\\.(?:org|com)|${"yarn"}pkg\\.com|registry\\.${"npm"}`, "i");
  const texts = repositoryFiles().filter((path) => !/\.(?:gz|png|woff2|ico)$/.test(path));
  test("names no folder of one machine", () => {
    const own = texts.filter((path) => !path.startsWith("test/fixtures/"));
    expect(own.filter((path) => machinePath.test(read(path)))).toEqual([]);
  });
  test("names no package registry", () => {
    expect(texts.filter((path) => registryHost.test(read(path)))).toEqual([]);
  });
  test("is locked by bun.lock alone", () => {
    expect(
      texts.filter((path) => /(?:package-lock\.json|yarn\.lock|pnpm-lock\.yaml|shrinkwrap\.json)$/.test(path)),
    ).toEqual([]);
  });
});

describe("the rules catch what is planted:", () => {
  const bad: { what: string; path: string; text: string; found: string }[] = [
    {
      what: "a core imports a core",
      path: "agent/rrd/a.ts",
      text: 'import { x } from "../wire/x.ts";',
      found: "rrd must not import wire",
    },
    {
      what: "base imports a core",
      path: "agent/base/a.ts",
      text: 'import type { X } from "../rrd/x.ts";',
      found: "base must not import rrd",
    },
    {
      what: "a feature imports a feature",
      path: "agent/pusher/a.ts",
      text: 'export { x } from "../receiver/x.ts";',
      found: "pusher must not import receiver",
    },
    {
      what: "a feature imports app",
      path: "agent/http/a.ts",
      text: 'export * from "../app/x.ts";',
      found: "http must not import app",
    },
    {
      what: "cli imports a feature",
      path: "agent/cli/a.ts",
      text: 'import "../http/x.ts";',
      found: "cli must not import http",
    },
    {
      what: "main imports app",
      path: "agent/main.ts",
      text: 'import { x } from "./app/x.ts";',
      found: "main must not import app",
    },
    {
      what: "a type by import()",
      path: "agent/wire/a.ts",
      text: 'let x: import("../rrd/x.ts").X;',
      found: "wire must not import rrd",
    },
    {
      what: "a deep folder",
      path: "agent/rrd/store/a.ts",
      text: 'import { x } from "../../config/x.ts";',
      found: "rrd must not import config",
    },
    {
      what: "an import over lines",
      path: "agent/wire/a.ts",
      text: 'import {\n  x,\n  y,\n} from "../door/x.ts";',
      found: "wire must not import door",
    },
    {
      what: "a value of config",
      path: "agent/exporter/a.ts",
      text: 'import { x, type Y } from "../config/x.ts";',
      found: "only types from config",
    },
    {
      what: "out of agent/",
      path: "agent/base/a.ts",
      text: 'import { x } from "../../scripts/x.ts";',
      found: "leaves agent/",
    },
    {
      what: "browser code",
      path: "agent/web/ui/a.ts",
      text: 'import { x } from "../assets.ts";',
      found: "nothing of the agent",
    },
    { what: "no ending", path: "agent/base/a.ts", text: 'import { x } from "./x";', found: ".ts ending" },
    { what: "another ending", path: "agent/base/a.ts", text: 'import { x } from "./x.js";', found: ".ts ending" },
    { what: "a barrel", path: "agent/wire/index.ts", text: "", found: "barrel" },
    { what: "a folder of leftovers", path: "agent/rrd/utils/a.ts", text: "", found: "names no idea" },
    { what: "a file of leftovers", path: "agent/base/helpers.ts", text: "", found: "names no idea" },
    { what: "a room nobody planned", path: "agent/tools/a.ts", text: "", found: "not a room" },
    { what: "a file name", path: "agent/base/someThing.ts", text: "", found: "kebab-case" },
    { what: "a long file", path: "agent/base/a.ts", text: "x;\n".repeat(401), found: "401 lines" },
    { what: "a long line", path: "agent/base/a.ts", text: `x;\n// ${"y".repeat(118)}\n`, found: "line 2 is longer" },
    { what: "a default export", path: "agent/base/a.ts", text: "export default 1;", found: "default export" },
    { what: "Date.now", path: "agent/rrd/a.ts", text: "const t = Date.now();", found: "Date.now" },
    { what: "new Date()", path: "agent/http/a.ts", text: "const t = new Date();", found: "new Date()" },
    {
      what: "performance.now",
      path: "agent/base/a.ts",
      text: "const t = performance.now();",
      found: "performance.now",
    },
    { what: "Math.random", path: "agent/pusher/a.ts", text: "const r = Math.random();", found: "Math.random" },
  ];
  test.each(bad)("$what", ({ path, text, found }) => {
    const problems = tidyProblems(path, text);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(found);
  });

  const good: { what: string; path: string; text: string }[] = [
    { what: "a core on base", path: "agent/rrd/store/a.ts", text: 'import { x } from "../../base/x.ts";' },
    {
      what: "types of config",
      path: "agent/http/a.ts",
      text: 'import type { X } from "../config/x.ts";\nimport { type Y, type Z } from "../config/y.ts";',
    },
    { what: "values of config in app", path: "agent/app/a.ts", text: 'import { x } from "../config/x.ts";' },
    {
      what: "a package",
      path: "agent/config/a.ts",
      text: 'import { parse } from "smol-toml";\nimport { readFileSync } from "node:fs";',
    },
    { what: "a date of a given time", path: "agent/base/a.ts", text: "const t = new Date(timeMs);" },
    {
      what: "a clock in a comment",
      path: "agent/base/a.ts",
      text: "// never Date.now()\n/** nor `Math.random` */\nexport const x = 1; // new Date()",
    },
    { what: "an import in a comment", path: "agent/base/a.ts", text: '/*\nimport { x } from "../rrd/x.ts";\n*/' },
    { what: "a string like an import", path: "agent/base/a.ts", text: 'export const from = "../rrd/x.ts";' },
    { what: "the machine's clock", path: "agent/base/clock.ts", text: "const t = Date.now();" },
    { what: "400 lines", path: "agent/base/a.ts", text: "x;\n".repeat(400) },
  ];
  test.each(good)("and leave alone: $what", ({ path, text }) => expect(tidyProblems(path, text)).toEqual([]));

  test("in every room", () => {
    for (const [room, allowed] of Object.entries(ROOMS)) {
      const path = room === "main" ? "agent/main.ts" : `agent/${room}/a.ts`;
      for (const other of Object.keys(ROOMS)) {
        if (other === "main" || other === room) continue;
        const from = room === "main" ? `./${other}/x.ts` : `../${other}/x.ts`;
        const isCaught = tidyProblems(path, `import type { X } from "${from}";`).length > 0;
        expect([room, other, isCaught]).toEqual([room, other, !allowed.includes(other)]);
      }
    }
  });
});
