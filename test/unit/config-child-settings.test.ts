import { describe, expect, test } from "bun:test";
import { type ChildSettings, childSettings } from "../../agent/config/child-settings.ts";
import { ConfigErrors } from "../../agent/config/config-error.ts";
import { parseConfig } from "../../agent/config/load.ts";

const KEY = "11111111-2222-3333-4444-555555555555";
const MACHINE = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeee0001";
const KEY_2 = "22222222-2222-3333-4444-555555555555";
const KEY_3 = "33333333-2222-3333-4444-555555555555";
const KEY_4 = "44444444-2222-3333-4444-555555555555";

function settings(text: string, key = KEY, machine = MACHINE): ChildSettings {
  const parsed = parseConfig(text, "t.toml");
  if (parsed instanceof ConfigErrors) throw parsed;
  return childSettings(parsed.config, key, machine);
}

const BUILT_IN: ChildSettings = {
  isKeyKnown: false,
  isKeyEnabled: false,
  isMachineEnabled: true,
  keyAllowFrom: "*",
  machineAllowFrom: "*",
  updateEverySec: undefined,
  history: 3600,
  memoryMode: "ram",
  replication: { isEnabled: true, windowSec: 86_400, stepSec: 600 },
  proxy: { isEnabled: false, destination: [], apiKey: "", sendChartsMatching: "*" },
};

/** Each level says everything; a level left out gives way to the one before. */
const AGENT = `
[db]
history = 10
mode = "none"
seconds_to_replicate = 100
[stream]
enabled = true
destination = "p-stream"
api_key = "${KEY_2}"
send_charts_matching = "s*"
`;
const KEY_TABLE = `
[api_key.${KEY}]
enabled = true
allow_from = "10.*"
default_history = 20
default_memory_mode = "ram"
enable_replication = false
default_proxy_enabled = false
default_proxy_destination = "p-key"
default_proxy_api_key = "${KEY_3}"
default_proxy_send_charts_matching = "k*"
`;
const MACHINE_TABLE = `
[machine.${MACHINE}]
enabled = false
allow_from = "11.*"
update_every = 7
history = 30
memory_mode = "none"
enable_replication = true
seconds_per_replication_step = 30
proxy_enabled = true
proxy_destination = "p-machine"
proxy_api_key = "${KEY_4}"
proxy_send_charts_matching = "m*"
`;
const FROM_AGENT: ChildSettings = {
  ...BUILT_IN,
  history: 10,
  memoryMode: "none",
  replication: { isEnabled: true, windowSec: 100, stepSec: 600 },
  proxy: { isEnabled: true, destination: ["p-stream"], apiKey: KEY_2, sendChartsMatching: "s*" },
};
const FROM_KEY: ChildSettings = {
  ...BUILT_IN,
  isKeyKnown: true,
  isKeyEnabled: true,
  keyAllowFrom: "10.*",
  history: 20,
  replication: { isEnabled: false, windowSec: 100, stepSec: 600 },
  proxy: { isEnabled: false, destination: ["p-key"], apiKey: KEY_3, sendChartsMatching: "k*" },
};
const FROM_MACHINE: ChildSettings = {
  ...BUILT_IN,
  isMachineEnabled: false,
  machineAllowFrom: "11.*",
  updateEverySec: 7,
  history: 30,
  memoryMode: "none",
  replication: { isEnabled: true, windowSec: 100, stepSec: 30 },
  proxy: { isEnabled: true, destination: ["p-machine"], apiKey: KEY_4, sendChartsMatching: "m*" },
};

describe("what holds for a child comes from", () => {
  test("the built-in values", () => expect(settings("")).toEqual(BUILT_IN));
  test("[db] and [stream]", () => expect(settings(AGENT)).toEqual(FROM_AGENT));
  test("its API key's table", () => expect(settings(AGENT + KEY_TABLE)).toEqual(FROM_KEY));
  test("its machine's table without a key's", () => expect(settings(AGENT + MACHINE_TABLE)).toEqual(FROM_MACHINE));
  test("all three, the most specific wins", () => {
    const both = { ...FROM_MACHINE, isKeyKnown: true, isKeyEnabled: true, keyAllowFrom: "10.*" };
    expect(settings(MACHINE_TABLE + KEY_TABLE + AGENT)).toEqual(both);
  });
  test("nobody else's tables", () => {
    expect(settings(AGENT + KEY_TABLE + MACHINE_TABLE, KEY_2, KEY_2)).toEqual(FROM_AGENT);
  });
  test("the file, never from names that every object has", () => {
    expect(settings("", "constructor", "toString")).toEqual(BUILT_IN);
  });
});

describe("each setting of a child alone beats the level before:", () => {
  const rows: [string, string, unknown, unknown, (settings: ChildSettings) => unknown][] = [
    ["default_history = 50", "history = 60", 50, 60, (child) => child.history],
    ["seconds_to_replicate = 50", "seconds_to_replicate = 60", 50, 60, (child) => child.replication.windowSec],
    ["default_memory_mode = 'none'", "memory_mode = 'ram'", "none", "ram", (child) => child.memoryMode],
    ["default_proxy_destination = 'k'", "proxy_destination = 'm'", ["k"], ["m"], (child) => child.proxy.destination],
    ["default_proxy_destination = []", "proxy_destination = []", [], [], (child) => child.proxy.destination],
    [`default_proxy_api_key = '${KEY_3}'`, `proxy_api_key = '${KEY_4}'`, KEY_3, KEY_4, (child) => child.proxy.apiKey],
    [
      "default_proxy_send_charts_matching = 'k'",
      "proxy_send_charts_matching = 'm'",
      "k",
      "m",
      (child) => child.proxy.sendChartsMatching,
    ],
  ];
  test.each(rows)("%s, %s", (keyLine, machineLine, fromKey, fromMachine, pick) => {
    const key = `[api_key.${KEY}]\n${keyLine}\n`;
    expect(pick(settings(key))).toEqual(fromKey);
    expect(pick(settings(`${key}[machine.${MACHINE}]\n${machineLine}`))).toEqual(fromMachine);
  });
});

describe("a child is passed on only with all of switch, destination and key:", () => {
  const key = (lines: string) => `[api_key.${KEY}]\n${lines}\n`;
  const cases: [string, boolean][] = [
    [AGENT, true],
    [AGENT + key("default_proxy_enabled = false"), false],
    [AGENT + key("default_proxy_destination = []"), false],
    [AGENT + key("default_proxy_api_key = ''"), false],
    [key(`default_proxy_destination = 'x'\ndefault_proxy_api_key = '${KEY_3}'`), false],
    [key(`default_proxy_enabled = true\ndefault_proxy_destination = 'x'\ndefault_proxy_api_key = '${KEY_3}'`), true],
  ];
  test.each(cases.map((row) => [row[0].trim().replaceAll("\n", " "), ...row] as const))("%s", (_, text, is) => {
    expect(settings(text).proxy.isEnabled).toBe(is);
  });
});
