import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigErrors } from "../../agent/config/config-error.ts";
import type { ConfigFlags } from "../../agent/config/flags.ts";
import {
  type ConfigEnvironment,
  type ConfigReader,
  FILE_DEFAULT,
  type LoadedConfig,
  loadConfig,
  parseConfig,
} from "../../agent/config/load.ts";
import { defaultConfig } from "../../agent/config/schema.ts";
import { systemEnvironment, systemReader } from "../../agent/config/system-reader.ts";

const KEY = "11111111-2222-3333-4444-555555555555";
const ROOT: ConfigEnvironment = { isRoot: true, variables: {} };

/** A reader that knows these files. */
function files(known: Record<string, string | Uint8Array>): ConfigReader {
  return {
    read(path, bytesMax) {
      const content = known[path];
      const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
      return bytes?.subarray(0, bytesMax);
    },
  };
}

function load(text: string | undefined, flags: ConfigFlags = {}, environment = ROOT): LoadedConfig {
  const known: Record<string, string> = text === undefined ? {} : { [FILE_DEFAULT]: text };
  const loaded = loadConfig({ flags, environment, reader: files(known) });
  if (loaded instanceof ConfigErrors) throw loaded;
  return loaded;
}

function mistakesOf(loaded: LoadedConfig | ConfigErrors): string[] {
  return loaded instanceof ConfigErrors ? loaded.mistakes.map((mistake) => mistake.message) : [];
}

function parsed(text: string): LoadedConfig {
  const result = parseConfig(text, "t.toml");
  if (result instanceof ConfigErrors) throw result;
  return result;
}

/** A text as a test's name: on one line. */
function named<Row extends readonly [string, ...unknown[]]>(row: Row): [string, Row] {
  return [row[0].trim().replaceAll("\n", " "), row];
}

describe("the file", () => {
  test("absent at the default place = all defaults and one info line", () => {
    const loaded = load(undefined);
    const config = defaultConfig();
    config.agent.state_dir = "/var/lib/tributary";
    expect(loaded.config).toEqual(config);
    expect(loaded.fileName).toBeUndefined();
    expect(loaded.notices.map(({ level, event }) => [level, event])).toEqual([["info", "config.file_absent"]]);
  });

  test("present at the default place is read", () => {
    const loaded = load("[db]\nhistory = 5");
    expect([loaded.config.db.history, loaded.fileName]).toEqual([5, FILE_DEFAULT]);
  });

  test("named and missing is an error", () => {
    const loaded = loadConfig({ file: "/no.toml", flags: {}, environment: ROOT, reader: files({}) });
    expect(mistakesOf(loaded)[0]).toStartWith("/no.toml: there is no such file\n  hint: check the name");
  });

  test("that cannot be read is an error with the reason", () => {
    const reader: ConfigReader = {
      read() {
        throw Object.assign(new Error("EACCES: permission denied"), { code: "EACCES" });
      },
    };
    const loaded = loadConfig({ flags: {}, environment: ROOT, reader });
    expect(mistakesOf(loaded)).toEqual([
      `${FILE_DEFAULT}: cannot be read: EACCES: permission denied\n  hint: let the user of the agent read it`,
    ]);
  });

  test("longer than 1 MiB is refused, one of exactly 1 MiB is read", () => {
    const read = (length: number) => {
      const reader = files({ "/f": `${"#".repeat(length - 1)}\n` });
      return mistakesOf(loadConfig({ file: "/f", flags: {}, environment: ROOT, reader }));
    };
    expect(read(1_048_576)).toEqual([]);
    expect(read(1_048_577)[0]).toStartWith("/f: longer than 1048576 bytes");
  });

  test("that is not UTF-8 is refused with the line", () => {
    const reader = files({ "/f": Uint8Array.of(0x23, 0x0a, 0x23, 0xff, 0x0a) });
    const loaded = loadConfig({ file: "/f", flags: {}, environment: ROOT, reader });
    expect(mistakesOf(loaded)).toEqual(["/f:2: not UTF-8 text\n  hint: save the file in UTF-8"]);
  });

  test("of the machine is read through the system's reader", () => {
    const directory = mkdtempSync(join(tmpdir(), "tributary-config-"));
    try {
      const path = join(directory, "a.toml");
      writeFileSync(path, "[db]\nhistory = 77\n");
      expect(systemReader.read(path, 5)).toEqual(new TextEncoder().encode("[db]\n"));
      expect(systemReader.read(join(directory, "none"), 5)).toBeUndefined();
      expect(systemReader.read(join(path, "below-a-file"), 5)).toBeUndefined();
      expect(() => systemReader.read(directory, 5)).toThrow(/EISDIR/);
      expect(() => systemReader.read(`/${"x".repeat(5000)}`, 5)).toThrow(/ENAMETOOLONG/);
      const loaded = loadConfig({ file: path, flags: {}, environment: systemEnvironment(), reader: systemReader });
      expect(loaded instanceof ConfigErrors ? loaded.message : loaded.config.db.history).toBe(77);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});

describe("the three roles", () => {
  test("child", () => {
    const { config } = parsed(`[agent]
hostname = "edge-7"
labels = { site = "north" }
[db]
mode = "none"
[stream]
enabled = true
destination = ["parent-1:19999", "parent-2:19999"]   # failover
api_key = "${KEY}"
`);
    expect(config.agent).toMatchObject({ hostname: "edge-7", labels: { site: "north" } });
    expect(config.db.mode).toBe("none");
    expect(config.stream).toMatchObject({
      enabled: true,
      destination: ["parent-1:19999", "parent-2:19999"],
      api_key: KEY,
      buffer_size_bytes: 4_194_304,
    });
  });

  test("parent", () => {
    const { config, notices } = parsed(`[web]
listen = ["*"]
allow_connections_from = "10.0.0.0/8 localhost"
[db]
history = 7200
[api_key."${KEY}"]
enabled = true
allow_from = "10.0.0.0/8 localhost"
[machine."AAAAAAAA-bbbb-cccc-dddd-eeeeeeee0001"]
history = 86400
[exporter.main]
type = "graphite"
destination = "10.0.0.1:2003, 10.0.0.2"
update_every = 5
`);
    expect(notices).toEqual([]);
    expect(config.api_key[KEY]).toEqual({ enabled: true, allow_from: "10.0.0.0/8 localhost" });
    expect(config.machine).toEqual({
      "aaaaaaaa-bbbb-cccc-dddd-eeeeeeee0001": { enabled: true, allow_from: "*", history: 86_400 },
    });
    expect(config.exporter["main"]).toMatchObject({
      enabled: true,
      destination: ["10.0.0.1:2003", "10.0.0.2"],
      timeout_ms: 10_000,
      buffer_on_failures: 0,
      data_source: "average",
    });
  });

  test("a key's timeout is twice its interval, never above the limit", () => {
    const exporter = (rest: string) => {
      return parsed(`[exporter.a]\ntype = "graphite"\ndestination = "x"\n${rest}`).config.exporter["a"]?.timeout_ms;
    };
    expect([exporter(""), exporter("update_every = 86400"), exporter("timeout_ms = 100")]).toEqual([
      20_000, 600_000, 100,
    ]);
  });
});

describe("values are read in every spelling:", () => {
  const spellings: [string, string[]][] = [
    ["[stream]\ndestination = ['a', 'b']", ["a", "b"]],
    ["[stream]\ndestination = 'a b'", ["a", "b"]],
    ["[stream]\ndestination = ' a,b , '", ["a", "b"]],
    ["stream.destination = ['a']", ["a"]],
    ["stream = { destination = 'a' }", ["a"]],
    ["[stream]\ndestination = []", []],
    ["[stream]\ndestination = ''", []],
  ];
  test.each(spellings.map(named))("%s", (_, [text, destination]) => {
    expect(parsed(text).config.stream.destination).toEqual(destination);
  });

  test("GUIDs become lower case", () => {
    const upper = "ABCDEF01-2222-3333-4444-55555555ABCD";
    const { config } = parsed(`[agent]\nmachine_guid = "${upper}"\n[api_key."${upper}"]\nenabled = true`);
    expect(config.agent.machine_guid).toBe(upper.toLowerCase());
    expect(Object.keys(config.api_key)).toEqual([upper.toLowerCase()]);
  });

  test("charts of a collector", () => {
    const text = "[collector.netdev]\ncharts = { 'net.net' = true, 'net.mtu' = false, 'net.drops' = 'auto' }";
    const charts = { "net.net": true, "net.mtu": false, "net.drops": "auto" as const };
    expect(parsed(text).config.collector.netdev.charts).toEqual(charts);
  });
});

describe("flags beat the file:", () => {
  const file = `[stream]\nenabled = true\ndestination = "old"\napi_key = "${KEY}"\n[db]\nhistory = 10\nmode = "none"\n[web]\nenabled = false`;
  const other = "99999999-2222-3333-4444-555555555555";
  const flags = {
    listen: "127.0.0.1:0,[::1]:0",
    parent: "new:1",
    key: other.toUpperCase(),
    memory: "ram",
    history: "20",
    state: "/s",
  };

  test("each of them", () => {
    const { config, origin } = load(file, flags);
    expect(config.web).toMatchObject({ enabled: true, listen: ["127.0.0.1:0", "[::1]:0"] });
    expect(config.stream).toMatchObject({ enabled: true, destination: ["new:1"], api_key: other });
    expect(config.db).toMatchObject({ mode: "ram", history: 20 });
    expect(config.agent.state_dir).toBe("/s");
    expect(origin(["stream", "destination"])).toBe("--parent");
    expect(origin(["db", "history"])).toBe("--history");
  });

  test("--parent and --key alone make a child", () => {
    expect(load(undefined, { parent: "p", key: KEY }).config.stream).toMatchObject({
      enabled: true,
      destination: ["p"],
      api_key: KEY,
    });
  });

  test("--key alone replaces the key of a child", () => {
    expect(load(file, { key: other }).config.stream.api_key).toBe(other);
  });

  const bad: [ConfigFlags, string, string][] = [
    [{ history: "3" }, "--history: db.history: Invalid value: Expected >=5 but received 3", "5 to 864000"],
    [{ history: "abc" }, '--history: db.history: Invalid type: Expected number but received "abc"', "a whole number"],
    [{ memory: "disk" }, "--memory: db.mode: Invalid value", '"none", "ram", "save", "map"'],
    [{ listen: "8080" }, '--listen: web.listen: address "8080": "8080" is not a numeric address', "* for all of them"],
    [{ listen: "" }, "--listen: web.listen: the list is empty", "name an address"],
    [{ parent: "p:SSL", key: KEY }, "--parent: stream.destination: destination", "take :SSL away"],
    [{ parent: "p" }, "--parent: stream.enabled: streaming needs stream.api_key", "--key GUID"],
    [{ key: KEY }, "--key: a key alone does nothing: streaming is off", "--parent HOST:PORT"],
    [{ parent: "p", key: "secret-word" }, "--key: stream.api_key: Expected a GUID", "tributary key makes one"],
    [{ state: "relative" }, "--state: agent.state_dir: Expected an absolute path", 'starts with "/"'],
  ];
  test.each(bad)("%j is refused", (wrong, head, hint) => {
    const messages = mistakesOf(loadConfig({ flags: wrong, environment: ROOT, reader: files({}) }));
    expect(messages).toHaveLength(1);
    expect(messages[0]).toStartWith(head);
    expect(messages[0]?.split("\n").at(-1)).toContain(hint);
    expect(messages[0]).not.toContain("secret-word");
  });

  test("mistakes of flags and of the file come together", () => {
    const reader = files({ [FILE_DEFAULT]: "[db]\nhistory = 1\nmode = 'x'" });
    const messages = mistakesOf(loadConfig({ flags: { history: "2" }, environment: ROOT, reader }));
    expect(messages.map((message) => message.split(" ")[0])).toEqual(["--history:", `${FILE_DEFAULT}:3:8:`]);
  });
});

describe("the state directory is", () => {
  const user = (variables: Record<string, string>) => load(undefined, {}, { isRoot: false, variables });
  test("/var/lib/tributary for root", () => expect(load("").config.agent.state_dir).toBe("/var/lib/tributary"));
  test("below XDG_STATE_HOME for others", () => {
    const loaded = user({ XDG_STATE_HOME: "/x", HOME: "/h" });
    expect(loaded.config.agent.state_dir).toBe("/x/tributary");
    expect(loaded.origin(["agent", "state_dir"])).toBe("environment");
  });
  test.each(["", "relative"])("below HOME when XDG_STATE_HOME is %p", (state) => {
    expect(user({ XDG_STATE_HOME: state, HOME: "/h" }).config.agent.state_dir).toBe("/h/.local/state/tributary");
  });
  test("an error without both", () => {
    const loaded = loadConfig({ flags: {}, environment: { isRoot: false, variables: {} }, reader: files({}) });
    expect(mistakesOf(loaded)[0]).toContain("neither XDG_STATE_HOME nor HOME is set\n  hint: give --state DIR");
  });
  test("what the file says", () => expect(load('[agent]\nstate_dir = "/s"').config.agent.state_dir).toBe("/s"));
});

test("origin names default, file and line", () => {
  const text = `[db]\nhistory = 5\n[api_key."${KEY.replace("5555555", "555555A")}"]\nenabled = true`;
  const { origin } = parsed(text);
  expect(origin(["db", "mode"])).toBe("default");
  expect(origin(["db", "history"])).toBe("t.toml:2");
  expect(origin(["api_key", KEY.replace("5555555", "555555a"), "enabled"])).toBe("t.toml:4");
});

describe("a line in the log is worth", () => {
  const eventsOf = (text: string) => parsed(text).notices.map(({ level, event }) => `${level} ${event}`);
  const key = `[api_key.${KEY}]\nenabled = true\n`;
  const rows: [string, string[]][] = [
    [key, ["warn config.listen_local_only"]],
    [`${key}[web]\nlisten = "localhost [::1]:1 127.3.2.1 unix:/x"`, ["warn config.listen_local_only"]],
    [`${key}[web]\nlisten = "localhost 10.0.0.1"`, []],
    [`${key}[web]\nlisten = "*"`, []],
    [`${key}[web]\nenabled = false`, ["warn config.listener_missing"]],
    [`[api_key.${KEY}]`, ["info config.api_key_disabled"]],
    [`[machine.${KEY}]\nhealth_enabled = "auto"`, ["info config.health_ignored"]],
    [`[machine.${KEY}]\npostpone_alarms_on_connect_seconds = 0`, ["info config.health_ignored"]],
    [`[web]\nlisten = "*"\n${key}health_enabled_by_default = false`, ["info config.health_ignored"]],
    ["", []],
  ];
  test.each(rows.map(named))("%s", (_, [text, events]) => expect(eventsOf(text)).toEqual(events));
});
