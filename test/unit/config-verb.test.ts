import { describe, expect, test } from "bun:test";
import { type ConfigVerbContext, configVerb } from "../../agent/cli/config.ts";
import { FILE_DEFAULT } from "../../agent/config/load.ts";

const KEY = "0badc0de-2222-3333-4444-555555551234";

function contextOf(files: Record<string, string>): ConfigVerbContext {
  return {
    reader: { read: (path) => (files[path] === undefined ? undefined : new TextEncoder().encode(files[path])) },
    environment: { isRoot: true, variables: {} },
  };
}

describe("config check", () => {
  test("says that a file is right", () => {
    expect(configVerb(["check", "/a"], contextOf({ "/a": "[db]\nhistory = 5" }))).toEqual({
      exitCode: 0,
      out: "/a: no mistakes\n",
      err: "",
    });
  });

  test("without a file says that the defaults hold", () => {
    expect(configVerb(["check"], contextOf({}))).toEqual({
      exitCode: 0,
      out: "defaults: no mistakes\n",
      err: `info: no file at ${FILE_DEFAULT}: all defaults\n`,
    });
  });

  test("tells every mistake on stderr and ends with 78", () => {
    const result = configVerb(["check", "/a"], contextOf({ "/a": "[db]\nhistory = 1\nmodus = 2" }));
    expect({ ...result, err: result.err.split("\n").filter((line) => !line.startsWith(" ")) }).toEqual({
      exitCode: 78,
      out: "",
      err: [
        "/a:2:11: db.history: Invalid value: Expected >=5 but received 1",
        "/a:3:1: db.modus: unknown key",
        '2 mistakes; "tributary config reference" lists every key',
        "",
      ],
    });
  });

  test("tells warnings on stderr and ends with 0", () => {
    const result = configVerb(["check", "/a"], contextOf({ "/a": `[api_key."${KEY}"]\nenabled = true` }));
    expect(result.exitCode).toBe(0);
    expect(result.err).toStartWith("warn: an [api_key] is enabled, but only this host can connect");
  });
});

describe("config show", () => {
  const text = `[agent]
hostname = "a \\"b\\""
labels = { "x y" = "north" }
[stream]
enabled = true
destination = "p1, p2"
api_key = "${KEY}"
[api_key."${KEY}"]
default_proxy_api_key = "${KEY.toUpperCase()}"
[exporter.e]
type = "graphite"
destination = "x"
`;
  const { out, exitCode } = configVerb(["show", "/a"], contextOf({ "/a": text }));

  test("ends with 0", () => expect(exitCode).toBe(0));
  test.each([
    "# /a",
    'hostname = "a \\"b\\""  # /a:2',
    'labels = { "x y" = "north" }  # /a:3',
    'destination = ["p1", "p2"]  # /a:6',
    "update_every = 1  # default",
    'state_dir = "/var/lib/tributary"  # default',
    "memory_limit_bytes = 0  # default (0 = half of the machine's memory)",
    'api_key = "***1234"  # /a:7',
    '[api_key."***1234"]',
    'default_proxy_api_key = "***1234"  # /a:9',
    "# default_history: db.history",
    "[exporter.e]",
    "timeout_ms = 20000  # default",
    "[collector.netdev]",
  ])("has the line %s", (line) => expect(out.split("\n")).toContain(line));

  test("has no API key", () => {
    expect(out.toLowerCase()).not.toContain("0badc0de");
    expect(out).not.toContain("55555555");
  });
});

describe("config reference and schema", () => {
  test("reference has every table", () => {
    const { out, exitCode } = configVerb(["reference"], contextOf({}));
    expect(exitCode).toBe(0);
    expect(out.match(/^## .*/gm)?.slice(0, 7)).toEqual([
      "## [agent]",
      "## [db]",
      "## [web]",
      "## [stream]",
      '## [api_key."GUID"]',
      '## [machine."GUID"]',
      "## [exporter.NAME]",
    ]);
  });

  test("schema is JSON", () => {
    const { out } = configVerb(["schema"], contextOf({}));
    expect(JSON.parse(out)).toMatchObject({ $schema: "https://json-schema.org/draft/2020-12/schema", type: "object" });
  });
});

describe("wrong use ends with 2 and names the usage:", () => {
  const cases: [string[], string][] = [
    [[], "say what to do with the configuration"],
    [["chekc"], 'unknown verb "config chekc"'],
    [["check", "a", "b"], 'unexpected "b"'],
    [["check", "--strict"], 'unknown option "--strict"'],
    [["show", "-x"], 'unknown option "-x"'],
    [["reference", "x"], 'unexpected "x"'],
    [["schema", "x"], 'unexpected "x"'],
  ];
  test.each(cases)("%j", (args, problem) => {
    const { exitCode, out, err } = configVerb(args, contextOf({}));
    expect([exitCode, out]).toEqual([2, ""]);
    expect(err).toStartWith(`tributary: ${problem}; usage: tributary config check [FILE] | show [FILE]`);
  });
});
