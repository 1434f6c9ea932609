import { describe, expect, test } from "bun:test";
import { ConfigErrors } from "../../agent/config/config-error.ts";
import { parseConfig } from "../../agent/config/load.ts";

const KEY = "11111111-2222-3333-4444-555555555555";

/** The messages for a text; empty when it is right. */
function messagesOf(text: string): string[] {
  const parsed = parseConfig(text, "tributary.toml");
  return parsed instanceof ConfigErrors ? parsed.mistakes.map((mistake) => mistake.message) : [];
}

test("a message has place, source line, caret and hint", () => {
  expect(messagesOf("# a\n\n[stream]\nbuffer_size_bytes = 12\n")).toEqual([
    `tributary.toml:4:21: stream.buffer_size_bytes: Invalid value: Expected >=65536 but received 12
   4 | buffer_size_bytes = 12
     |                     ^
  hint: a whole number from 65536 to 268435456 (bytes), without quotes; see "stream.buffer_size_bytes" in the configuration reference`,
  ]);
});

describe("one mistake:", () => {
  const cases: { text: string; at: string; problem: string; hint: string }[] = [
    // Names
    {
      text: "[agent]\nhostnam = 'x'",
      at: "2:1",
      problem: "agent.hostnam: unknown key",
      hint: 'did you mean "hostname"?',
    },
    { text: "[streem]", at: "1:2", problem: "streem: unknown table", hint: 'did you mean "stream"?' },
    { text: "[DB]", at: "1:2", problem: "DB: unknown table", hint: 'did you mean "db"?' },
    {
      text: "[stream]\nbuffer-size-bytes = 5",
      at: "2:1",
      problem: "stream.buffer-size-bytes: unknown key",
      hint: 'did you mean "buffer_size_bytes"?',
    },
    {
      text: "[db]\nmemory_mode = 'ram'",
      at: "2:1",
      problem: "db.memory_mode: unknown key",
      hint: `netdata's "memory_mode" is "mode" here`,
    },
    { text: "history = 5", at: "1:1", problem: "history: unknown key", hint: '"history" is a key of [db]' },
    { text: "[web]\nhostname = 'x'", at: "2:1", problem: "web.hostname: unknown key", hint: "is a key of [agent]" },
    { text: "[global]", at: "1:2", problem: "global: unknown table", hint: "is in [agent] and [db] here" },
    { text: "[collector.diskstat]", at: "1:12", problem: "collector.diskstat: unknown table", hint: '"diskstats"?' },
    {
      text: "[log]\nfile = 'x'",
      at: "2:1",
      problem: "log.file: unknown key",
      hint: "the keys of [log] are level, format",
    },
    { text: "[agent]\nlabels = { a = 'b' }\nx.y = 1", at: "3:1", problem: "agent.x: unknown table", hint: "the keys" },
    // Keys of later versions
    ...["web.tls = 'off'", "collector.statsd.enabled = true", "plugin.enabled = true"].map((text) => ({
      text,
      at: `1:${text.startsWith("plugin") ? 1 : text.indexOf(".") + 2}`,
      problem: "is not supported by this version",
      hint: "take it away",
    })),
    {
      text: "[db]\nmode = 'disk'",
      at: "2:8",
      problem: "db.mode: Invalid value",
      hint: '"none", "ram", "save", "map"',
    },
    {
      text: `[exporter.a]\ndestination = 'x'\ntype = 'json:http'`,
      at: "3:8",
      problem: 'exporter.a.type: "json:http" is not supported by this version',
      hint: 'one of "graphite"',
    },
    {
      text: `[exporter.a]\ndestination = 'x'\ntype = 'graphit'`,
      at: "3:8",
      problem: 'exporter.a.type: Invalid value: Expected "graphite" but received "graphit"',
      hint: 'one of "graphite"',
    },
    {
      text: `[exporter.a]\ndestination = 'x'\ntype = 'graphite'\nqueue_disk_bytes = 65536`,
      at: "4:20",
      problem: "exporter.a.queue_disk_bytes: Invalid value: Expected <=0 but received 65536",
      hint: "queue_disk_bytes",
    },
    // Types and limits
    {
      text: "[db]\nhistory = '5'",
      at: "2:11",
      problem: 'Expected number but received "5"',
      hint: "5 to 864000 (entries)",
    },
    { text: "[db]\nhistory = 5.5", at: "2:11", problem: "Invalid integer: Received 5.5", hint: "a whole number" },
    { text: "[db]\nhistory = nan", at: "2:11", problem: "db.history: Invalid", hint: "a whole number" },
    { text: "[db]\nhistory = inf", at: "2:11", problem: "db.history: Invalid", hint: "a whole number" },
    { text: "[db]\nhistory = 4", at: "2:11", problem: "Expected >=5 but received 4", hint: "5 to 864000" },
    {
      text: "[db]\nhistory = 864001",
      at: "2:11",
      problem: "Expected <=864000 but received 864001",
      hint: "5 to 864000",
    },
    {
      text: "[web]\nenabled = 'yes'",
      at: "2:11",
      problem: 'Expected boolean but received "yes"',
      hint: "true or false",
    },
    { text: "[web]\nenabled = 1", at: "2:11", problem: "Expected boolean but received 1", hint: "true or false" },
    { text: "[log]\nlevel = 'warning'", at: "2:9", problem: 'but received "warning"', hint: '"error", "warn", "info"' },
    {
      text: `[agent]\nhostname = '${"x".repeat(201)}'`,
      at: "2:12",
      problem: "agent.hostname: Invalid",
      hint: "200 bytes",
    },
    {
      text: `[agent]\nhostname = '${"ö".repeat(101)}'`,
      at: "2:12",
      problem: "agent.hostname: Invalid",
      hint: "200 bytes",
    },
    { text: "[agent]\nstate_dir = 'x'", at: "2:13", problem: "Expected an absolute path", hint: 'starts with "/"' },
    {
      text: "[agent]\nhostname = 2020-01-01",
      at: "2:12",
      problem: "Expected string but received a date",
      hint: "text in quotes",
    },
    { text: "agent = 5", at: "1:1", problem: "agent: Expected a table but received a single value", hint: "[agent]" },
    {
      text: "[[exporter]]\na = 1",
      at: "1:3",
      problem: "Expected a table but received an array",
      hint: "[exporter.NAME]",
    },
    {
      text: "[agent]\nlabels = []",
      at: "2:1",
      problem: "Expected a table but received an array",
      hint: "[agent.labels]",
    },
    { text: "[agent]\nlabels = 2020-01-01", at: "2:1", problem: "Expected a table", hint: "[agent.labels]" },
    { text: "[agent.labels]\nprototype = 'x'", at: "2:1", problem: "this name cannot be used", hint: "choose another" },
    { text: "[exporter.prototype]", at: "1:11", problem: "this name cannot be used", hint: "choose another" },
    { text: "machine = true", at: "1:1", problem: "Expected a table", hint: '[machine."GUID"]' },
    {
      text: "[agent.labels]\nsite = 5",
      at: "2:8",
      problem: "agent.labels.site: Invalid type: Expected string",
      hint: "table",
    },
    {
      text: "[collector.stat.charts]\n'system.cpu' = 'on'",
      at: "2:16",
      problem: 'collector.stat.charts."system.cpu": Invalid type',
      hint: "a table of at most 1000 names",
    },
    // Lists, addresses, patterns
    { text: "[web]\nlisten = 5", at: "2:10", problem: "Expected a list of strings but received 5", hint: '["a", "b"]' },
    {
      text: "[web]\nlisten = ['*', 5]",
      at: "2:16",
      problem: "web.listen[1]: Invalid type: Expected a string",
      hint: "strings",
    },
    {
      text: "[web]\nlisten = '*, eth0'",
      at: "2:10",
      problem: '"eth0" is not a numeric address',
      hint: "* for all of them",
    },
    {
      text: `[web]\nlisten = "${"* ".repeat(101)}"`,
      at: "2:10",
      problem: "web.listen: Invalid length: Expected <=100 but received 101",
      hint: "strings",
    },
    { text: "[web]\nlisten = []", at: "2:10", problem: "web.listen: the list is empty", hint: "enabled = false" },
    {
      text: `[stream]\ndestination = ["a", "b:SSL"]`,
      at: "2:21",
      problem: 'stream.destination[1]: destination "b:SSL": TLS is not supported by this version',
      hint: "take :SSL away",
    },
    {
      text: "[web]\nallow_connections_from = '10.0.0.0/40'",
      at: "2:26",
      problem: '"10.0.0.0/40" is not a network',
      hint: "write ADDRESS/BITS",
    },
    {
      text: `[stream]\nsend_charts_matching = '${"a ".repeat(4097)}'`,
      at: "2:24",
      problem: "8194 characters",
      hint: "wildcards",
    },
    // GUIDs
    { text: "[machine.x]", at: "1:10", problem: "Expected a GUID of 36 characters", hint: "tributary key makes one" },
    { text: "[machine.'']", at: "1:10", problem: "Expected a GUID", hint: "tributary key makes one" },
    { text: "[agent]\nmachine_guid = 'x'", at: "2:16", problem: "received 1 character", hint: "a GUID in quotes" },
    {
      text: `[machine.${KEY.replace("555555555555", "55555555555a")}]\n[machine."${KEY.replace("555555555555", "55555555555A")}"]`,
      at: "2:10",
      problem: "this table stands twice, in capital and in small letters",
      hint: "keep one of the two",
    },
    {
      text: "[exporter.'a b']\ntype='graphite'\ndestination='x'",
      at: "1:11",
      problem: "Expected a name",
      hint: "letters, digits",
    },
    // Keys that need each other
    {
      text: `[stream]\nenabled = true\napi_key = '${KEY}'`,
      at: "2:11",
      problem: "stream.enabled: streaming needs stream.destination",
      hint: "--parent",
    },
    {
      text: "[stream]\nenabled = true\ndestination = 'x'",
      at: "2:11",
      problem: "stream.enabled: streaming needs stream.api_key",
      hint: "--key",
    },
    {
      text: "[exporter.a]\ntype = 'graphite'",
      at: "1:11",
      problem: 'exporter.a: the key "destination" is missing',
      hint: 'add destination = "…"',
    },
    {
      text: "[exporter.a]\ndestination = 'x'",
      at: "1:11",
      problem: 'exporter.a: the key "type" is missing',
      hint: 'add type = "graphite"',
    },
    {
      text: "[exporter.a]\ntype = 'graphite'\ndestination = []",
      at: "3:15",
      problem: "exporter.a.destination: the list is empty",
      hint: "name a server",
    },
    {
      text: `[api_key.${KEY}]\ndefault_proxy_enabled = true\ndefault_proxy_destination = 'x'`,
      at: "2:25",
      problem: "passing on needs default_proxy_api_key",
      hint: "or api_key to [stream]",
    },
    {
      text: `[machine.${KEY}]\nproxy_enabled = true\nproxy_api_key = '${KEY}'`,
      at: "2:17",
      problem: "proxy_enabled: passing on needs proxy_destination",
      hint: "or destination to [stream]",
    },
    // TOML
    { text: "[web]\nenabled = yes", at: "2:11", problem: "TOML: invalid value", hint: "write enabled = true" },
    { text: "[web]\nenabled = off # x", at: "2:11", problem: "TOML: invalid value", hint: "write enabled = false" },
    { text: "[web]\nenabled = flase", at: "2:11", problem: "TOML: invalid value", hint: "write enabled = false" },
    { text: "[db]\nmode = ram", at: "2:8", problem: "TOML: invalid value", hint: 'text needs quotes: "…"' },
    { text: "[db]\nmode = 'ram", at: "2:8", problem: "TOML: unfinished string", hint: "close the quotes" },
    { text: '[db]\nmode = "ram\n', at: "2:12", problem: "TOML: unfinished string", hint: "close the quotes" },
    { text: "[db]\nmemory mode = 'ram'", at: "2:8", problem: "TOML: illegal character", hint: "write memory_mode = …" },
    { text: "[db]\nhistory 5", at: "2:9", problem: "TOML: illegal character", hint: "write NAME = VALUE" },
    { text: "[db]\nhistory: 5", at: "2:8", problem: "TOML: illegal character", hint: "with = instead of :" },
    { text: "[db]\nhistory = 007", at: "2:11", problem: "TOML: illegal leading zero", hint: "without leading zeros" },
    {
      text: "[stream]\nbuffer_size_bytes = 4MB",
      at: "2:22",
      problem: "TOML: illegal character",
      hint: "unit is in the name",
    },
    { text: "[db]\nhistory = 5\nhistory = 6", at: "3:1", problem: "already defined", hint: "stands twice" },
    { text: "[db]\n[db]", at: "2:2", problem: "already defined", hint: "stands twice" },
    { text: "[db\nhistory = 5", at: "1:4", problem: "TOML: illegal character", hint: "close the name of the table" },
    { text: "; comment", at: "1:1", problem: "TOML: illegal character", hint: "a comment starts with #" },
    { text: "[web]\nlisten = [a]", at: "2:11", problem: "TOML: invalid value", hint: "needs quotes and commas" },
    { text: "[db]\nhistory = 99999999999999999999", at: "2:11", problem: "TOML: integer value", hint: "" },
    { text: "__proto__ = 5", at: "1:1", problem: "TOML: document contains an unsafe property", hint: "cannot be used" },
    { text: `a = ${"[".repeat(40)}`, at: "1:37", problem: "TOML: document contains excessively nested", hint: "" },
  ];
  test.each(cases)("$at $problem", ({ text, at, problem, hint }) => {
    const messages = messagesOf(text);
    expect(messages).toHaveLength(1);
    const [head = "", ...rest] = messages[0]?.split("\n") ?? [];
    expect(head).toStartWith(`tributary.toml:${at}: `);
    expect(head).toContain(problem);
    expect(rest.at(-1)).toStartWith("  hint: ");
    expect(rest.at(-1)).toContain(hint);
  });
});

describe("all mistakes at once", () => {
  test("of the schema, of names and between keys, in the order of the file", () => {
    const text = `[db]
history = 1
modus = "ram"
[stream]
enabled = true
timeout_seconds = "60"
[web]
listen = ["nowhere", "127.0.0.1:99999"]
[exporter.a]
type = "graphite"
`;
    const heads = messagesOf(text).map((message) => message.split(" ")[0]);
    expect(heads).toEqual(
      ["2:11", "3:1", "5:11", "5:11", "6:19", "8:11", "8:22", "9:11"].map((at) => `tributary.toml:${at}:`),
    );
  });

  test("broken lines do not hide what is behind them", () => {
    const text =
      "[stream]\nenabled = yes\ndestination = parent\napi key = 'x'\n[db]\nhistory = 1\n[agent]\nhostnam = 'a'\n";
    const heads = messagesOf(text).map((message) => message.split(" ")[0]);
    expect(heads).toEqual(["2:11", "3:15", "4:5", "6:11", "8:1"].map((at) => `tributary.toml:${at}:`));
  });

  test("a misspelt key is not told as missing besides", () => {
    const text = `[stream]\nenabled = true\napi_key = "${KEY}"\ndestinaton = "x"`;
    expect(messagesOf(text).map((message) => message.split("\n")[0])).toEqual([
      "tributary.toml:4:1: stream.destinaton: unknown key",
    ]);
  });

  test("at most 50 are written out, the rest is counted", () => {
    const text = Array.from({ length: 80 }, (_, index) => `unknown_${index} = 1`).join("\n");
    const parsed = parseConfig(text, "f");
    expect(parsed).toBeInstanceOf(ConfigErrors);
    const { message } = parsed as ConfigErrors;
    expect(message.match(/^ {2}hint/gm)).toHaveLength(50);
    expect(message).toEndWith("… and 30 more mistakes");
  });
});

describe("the quoted line", () => {
  test("keeps tabs under the caret", () => {
    expect(messagesOf("[db]\n\thistory =\t5.5")[0]).toContain("\n   2 | \thistory =\t5.5\n     | \t         \t^\n");
  });

  test("cannot move the cursor", () => {
    const [message = ""] = messagesOf("[db]\nhistory = '\u009b2J\u202e'");
    expect(message).toContain("   2 | history = '?2J?'");
    expect(message).not.toMatch(/[\u009b\u202e]/);
  });

  test("is cut around the caret when it is long", () => {
    const [message = ""] = messagesOf(`agent = { labels = { ${"a".repeat(300)} = "x" }, hostnam = "y" }`);
    const [, source = "", caret = ""] = message.split("\n");
    expect(source.length).toBeLessThanOrEqual(7 + 160);
    expect(source[caret.indexOf("^")]).toBe("h");
  });

  test("is left out when it is longer than a person writes", () => {
    expect(messagesOf(`[db]\nhistory = "${"x".repeat(1000)}"`)[0]?.split("\n")).toEqual([
      expect.stringMatching(
        /^tributary\.toml:2:11: db\.history: Invalid type: Expected number but received "x{200,300}…$/,
      ),
      expect.stringMatching(/^ {2}hint: /),
    ]);
  });

  test("of CRLF files ends before the CR", () => {
    expect(messagesOf("[db]\r\nhistory = 1\r\n")[0]).toContain("| history = 1\n");
  });
});

describe("secrets never appear:", () => {
  const SECRET = "0badc0de-7777-8888-9999-66666666abcd";
  const texts = [
    `[stream]\napi_key = "${SECRET}x"`,
    `[stream]\napi_key = ["${SECRET}"]`,
    `[stream]\napikey = "${SECRET}"`,
    `[stream]\napi_key = ${SECRET}`,
    `[stream]\napi_key = "${SECRET}`,
    `[stream]\napi_key "${SECRET}"`,
    `[stream]\nenabled = 1\n[api_key."${SECRET}"]\nenabld = true`,
    `[api_key."${SECRET}"]\nenabled = 1`,
    `[api_key.${SECRET}x]`,
    `[api_key."${SECRET}]`,
    `[api_key.${SECRET}]\ndefault_proxy_api_key = "${SECRET}0"\ndefault_history = 1`,
    `stream = { enabled = 1, api_key = "${SECRET}" }`,
    `[exporter.a]\ntype = "graphite"\ndestination = "x"\npassword = "${SECRET}"`,
    `[exporter.a]\ntype = "graphite"\ndestination = "x"\nheaders = { Authorization = "${SECRET}", x = y }`,
    `[exporter.a]\ntype = "graphite"\ndestination = "x"\npassword = ${SECRET} x`,
    `[web]\ntokens = [\n  "a",\n  ${SECRET},\n]`,
    `[web]\ntokens = """\n${SECRET}"""`,
  ];
  test.each(texts.map((text) => [text.replaceAll("\n", " "), text]))("%s", (_, text) => {
    const all = messagesOf(text).join("\n");
    expect(all).not.toBe("");
    expect(all).not.toContain("0badc0de");
    expect(all).not.toContain("6666");
    expect(all).not.toContain("7777-8888");
  });
});
