import { describe, expect, test } from "bun:test";
import { ConfigErrors } from "../../agent/config/config-error.ts";
import { diffConfig } from "../../agent/config/diff.ts";
import { parseConfig } from "../../agent/config/load.ts";
import type { Config } from "../../agent/config/schema.ts";

const KEY = "11111111-2222-3333-4444-555555555555";

function configOf(text: string): Config {
  const parsed = parseConfig(text, "t.toml");
  if (parsed instanceof ConfigErrors) throw parsed;
  return parsed.config;
}

describe("a reload", () => {
  const cases: { before?: string; after: string; now?: string[]; atRestart?: string[] }[] = [
    { after: "" },
    { before: "[db]\nhistory = 5", after: "db.history = 5" },
    { after: "[log]\nlevel = 'debug'\nformat = 'json'", now: ["log.level", "log.format"] },
    { after: "[stream]\ndestination = 'a'", now: ["stream.destination"] },
    { after: `[stream]\napi_key = '${KEY}'`, now: ["stream.api_key"] },
    { after: "[stream]\ntimeout_seconds = 61", atRestart: ["stream.timeout_seconds"] },
    { after: "[web]\nallow_dashboard_from = 'localhost'", now: ["web.allow_dashboard_from"] },
    { after: "[web]\nlisten = '*'\ngzip_level = 1", atRestart: ["web.listen", "web.gzip_level"] },
    { after: "[collector.netdev]\nenabled = false", now: ["collector.netdev.enabled"] },
    { after: "[collector.netdev]\nexclude = ''", atRestart: ["collector.netdev.exclude"] },
    { after: "[collector]\nenabled = false", atRestart: ["collector.enabled"] },
    { after: "[agent]\nlabels = { a = 'b' }\nhostname = 'x'", atRestart: ["agent.hostname", "agent.labels"] },
    { after: "[db]\nmode = 'none'", atRestart: ["db.mode"] },
    { after: `[api_key.${KEY}]\nenabled = true`, now: ['api_key."***5555"'] },
    { before: `[api_key.${KEY}]\nenabled = true`, after: "", now: ['api_key."***5555"'] },
    {
      before: `[machine.${KEY}]\nhistory = 5`,
      after: `[machine.${KEY}]\nhistory = 6`,
      now: [`machine.${KEY}`],
    },
    { after: "[exporter.a]\ntype = 'graphite'\ndestination = 'x'", now: ["exporter.a"] },
    {
      before: "[exporter.a]\ntype = 'graphite'\ndestination = 'x'\n[exporter.b]\ntype = 'graphite'\ndestination = 'x'",
      after: "[exporter.b]\ntype = 'graphite'\ndestination = 'y'\n[exporter.a]\ntype = 'graphite'\ndestination = 'x'",
      now: ["exporter.b"],
    },
  ];
  const rows = cases.map((row) => ({ ...row, name: row.after.replaceAll("\n", " ") }));
  test.each(rows)("to $name", ({ before = "", after, now = [], atRestart = [] }) => {
    expect(diffConfig(configOf(before), configOf(after))).toEqual({ now, atRestart });
  });
});
