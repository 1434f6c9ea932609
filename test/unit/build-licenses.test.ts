import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { licenses } from "../../agent/cli/licenses.ts";
import manifest from "../../package.json" with { type: "json" };
import { collectLicenses, packageHeading } from "../../scripts/licenses.ts";

const ROOT = join(import.meta.dir, "../..");

/** Names of the packages that the bundler really puts into the agent. */
async function bundledPackages(): Promise<string[]> {
  const { metafile } = await Bun.build({
    entrypoints: [join(ROOT, "agent/main.ts")],
    target: "bun",
    metafile: true,
  });
  const paths = Object.keys(metafile?.inputs ?? {});
  if (!paths.some((path) => path.endsWith("agent/main.ts"))) throw new Error("the bundler gave no list of its inputs");
  const names = paths.map((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1]);
  return [...new Set(names.filter((name) => name !== undefined))];
}

function installedVersion(name: string): string {
  const text = readFileSync(join(ROOT, "node_modules", name, "package.json"), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

describe("tributary licenses", () => {
  test("prints what the installed packages say today", () => expect(licenses()).toBe(collectLicenses()));

  test.each(Object.entries(manifest.dependencies))("holds %s %s", (name, version) => {
    expect(licenses()).toContain(`\n${packageHeading(name, version)} ·`);
    const folder = new Bun.Glob("LICEN[CS]E*").scanSync(join(ROOT, "node_modules", name));
    const text = readFileSync(join(ROOT, "node_modules", name, [...folder][0] ?? ""), "utf8");
    expect(licenses()).toContain(text.trim());
  });

  test("holds every package the bundler takes in", async () => {
    for (const name of await bundledPackages())
      expect(licenses()).toContain(`\n${packageHeading(name, installedVersion(name))} ·`);
  });

  test("holds the own licence and those of the runtime", () => {
    expect(licenses()).toContain(readFileSync(join(ROOT, "LICENSE"), "utf8").trim());
    expect(licenses()).toContain(`\n${packageHeading("Bun", manifest.devDependencies.bun)} ·`);
    for (const name of ["JavaScriptCore", "boringssl", "libicu", "GNU LIBRARY GENERAL PUBLIC LICENSE"])
      expect(licenses()).toContain(name);
  });
});
