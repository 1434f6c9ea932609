import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { configVerb } from "../../agent/cli/config.ts";
import manifest from "../../package.json" with { type: "json" };

const ROOT = join(import.meta.dir, "../..");
const README = readFileSync(join(ROOT, "README.md"), "utf8");
const MAIN = join(ROOT, "agent/main.ts");

/** Fenced blocks of one language, as they stand. */
function blocksOf(language: string): string[] {
  return [...README.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, "gm"))].map((match) => match[1]!);
}

/** Lines of the shell blocks and `code` in the text, comments cut off. */
function commandLines(): string[] {
  const shell = blocksOf("sh").flatMap((block) => block.split("\n"));
  const prose = README.replace(/^```[\s\S]*?^```$/gm, "");
  const inline = [...prose.matchAll(/`([^`\n]+)`/g)].map((match) => match[1]!);
  const all = [...shell, ...inline].map((line) => line.replace(/\s+#.*$/, "").trim());
  return [...new Set(all)];
}

/** The words behind `tributary` of every command line that starts the agent, on another host too. */
function agentCommands(): string[] {
  const systemd = blocksOf("ini").flatMap((block) =>
    [...block.matchAll(/^ExecStart=(.*)$/gm)].map((match) => match[1]!),
  );
  const calls = [...commandLines(), ...systemd].map((line) =>
    /^(?:ssh \S+ )?(?:\S*\/)?tributary(?: (.*))?$/.exec(line),
  );
  const started = commandLines().map((line) => /^npm start -- (.*)$/.exec(line));
  const words = [...calls, ...started].flatMap((match) => (match === null ? [] : [match[1] ?? ""]));
  return words.filter((text) => !/^\d/.test(text)); // `tributary 0.1.0 ready …` is what it says, not how it is called
}

const helpTexts = new Map<string, string>();

/** What `tributary help VERB` prints; without a verb, the list of verbs. */
function help(verb: string): string {
  const known = helpTexts.get(verb);
  if (known !== undefined) return known;
  const { exitCode, stdout } = Bun.spawnSync([process.execPath, MAIN, "help", ...(verb === "" ? [] : [verb])]);
  const text = exitCode === 0 ? stdout.toString() : "";
  helpTexts.set(verb, text);
  return text;
}

describe("README: configurations", () => {
  const blocks = blocksOf("toml");

  test("there is one for each role", () => expect(blocks.length).toBeGreaterThanOrEqual(3));

  test.each(blocks.map((text) => [text.split("\n")[0]!, text] as const))("%s … passes config check", (_, text) => {
    const reader = { read: () => new TextEncoder().encode(text) };
    const result = configVerb(["check", "/readme.toml"], { reader, environment: { isRoot: true, variables: {} } });
    expect(result).toEqual({ exitCode: 0, out: "/readme.toml: no mistakes\n", err: "" });
  });

  test.each(blocks.map((text) => [text.split("\n")[0]!, text] as const))("%s … is at most a dozen lines", (_, text) => {
    expect(text.trimEnd().split("\n").length).toBeLessThanOrEqual(13);
  });
});

describe("README: commands", () => {
  const commands = agentCommands();

  test("there are some", () => expect(commands.length).toBeGreaterThan(8));

  test.each(commands.map((text) => [text]))("tributary %s: the help knows the verb and its options", (text) => {
    const words = text.split(/\s+/);
    const verb = text === "" || text.startsWith("-") ? "run" : words[0]!;
    const known = help(verb);
    expect(help("")).toContain(`\n  ${verb} `);
    expect(known).toStartWith(`usage: tributary ${verb}`);
    for (const word of words) if (word.startsWith("--")) expect(known).toContain(word);
    if (verb === "config") expect(known).toContain(words[1]!);
  });

  test("every npm script exists", () => {
    const names = commandLines().flatMap((line) =>
      [...line.matchAll(/^npm (?:run )?([\w:]+)/g)].map((match) => match[1]!),
    );
    expect(names).toContain("start");
    for (const name of names) expect(Object.keys(manifest.scripts)).toContain(name);
  });
});

describe("README: files", () => {
  const inText = commandLines().filter((line) => /^(?:test|scripts|agent|\.ci)\/\S+$/.test(line));
  const links = [...README.matchAll(/\]\(([^)#:]+)\)/g)].map((match) => match[1]!);

  test("there are some", () => {
    expect(inText.length).toBeGreaterThan(4);
    expect(links.length).toBeGreaterThan(4);
  });

  test.each([...new Set([...inText, ...links])].map((path) => [path]))("%s exists", (path) => {
    expect(existsSync(join(ROOT, path))).toBe(true);
  });

  test("says the version of the manifest", () => {
    const versions = [...README.matchAll(/tributary[ -](\d+\.\d+\.\d+)/g)].map((match) => match[1]);
    expect(versions.length).toBeGreaterThan(0);
    expect(new Set(versions)).toEqual(new Set([manifest.version]));
  });
});
