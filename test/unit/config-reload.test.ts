import { describe, expect, test } from "bun:test";
import { ConfigErrors } from "../../agent/config/config-error.ts";
import { parseConfig } from "../../agent/config/load.ts";
import { keysThatWait, planReload } from "../../agent/config/reload.ts";
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
    { after: "[stream]\ntimeout_seconds = 61", now: ["stream.timeout_seconds"] },
    {
      after: `[stream]\nenabled = true\ndestination = 'a'\napi_key = '${KEY}'`,
      now: ["stream.enabled", "stream.destination", "stream.api_key"],
    },
    { after: "[web]\nallow_dashboard_from = 'localhost'", now: ["web.allow_dashboard_from"] },
    { after: "[web]\nlisten = '*'\ngzip_level = 1", now: ["web.gzip_level"], atRestart: ["web.listen"] },
    { after: "[web]\nenabled = false", atRestart: ["web.enabled"] },
    { after: "[collector.netdev]\nenabled = false", now: ["collector.netdev.enabled"] },
    { after: "[collector.netdev]\nexclude = ''", now: ["collector.netdev.exclude"] },
    {
      after: "[collector]\nenabled = false\nhost_prefix = '/host'",
      now: ["collector.enabled"],
      atRestart: ["collector.host_prefix"],
    },
    {
      after: "[agent]\nlabels = { a = 'b' }\nhostname = 'x'",
      now: ["agent.labels"],
      atRestart: ["agent.hostname"],
    },
    {
      after: "[db]\nmode = 'none'\ncleanup_orphan_hosts_after_seconds = 7",
      now: ["db.cleanup_orphan_hosts_after_seconds"],
      atRestart: ["db.mode"],
    },
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
  test.each(rows)("to $name: says what acts, and puts just that into effect", ({ before = "", after, ...expected }) => {
    const { now = [], atRestart = [] } = expected;
    const [old, file] = [configOf(before), configOf(after)];
    const reload = planReload(old, file);
    expect({ now: reload.now, atRestart: reload.atRestart }).toEqual({ now, atRestart });
    // From the old one it is exactly the announced step, and what is left to the file is exactly what waits.
    expect(planReload(old, reload.config)).toEqual({ config: reload.config, now, atRestart: [] });
    expect(planReload(reload.config, file)).toEqual({ config: reload.config, now: [], atRestart });
  });

  test("keeps the old value of each key that waits beside new ones of its table, and changes neither input", () => {
    const old = configOf("[db]\nhistory = 5\n[web]\nlisten = '127.0.0.1:1'\ngzip_level = 1");
    const file = configOf("[db]\nhistory = 6\ncleanup_orphan_hosts_after_seconds = 7\n[web]\ngzip_level = 2");
    const [oldBefore, fileBefore] = [structuredClone(old), structuredClone(file)];
    const { config } = planReload(old, file);
    expect(config).toEqual({
      ...old,
      db: { ...old.db, cleanup_orphan_hosts_after_seconds: 7 },
      web: { ...old.web, gzip_level: 2 },
    });
    expect([old, file]).toEqual([oldBefore, fileBefore]);
  });

  test("a file put back takes the waiting keys off the list", () => {
    const old = configOf("");
    const waiting = planReload(old, configOf("db.history = 6"));
    expect(planReload(waiting.config, old)).toEqual({ config: old, now: [], atRestart: [] });
  });

  test("keys that wait for a restart", () => {
    expect(keysThatWait()).toEqual([
      "agent.hostname",
      "agent.machine_guid",
      "agent.update_every",
      "agent.state_dir",
      "db.mode",
      "db.history",
      "db.save_every",
      "db.flush_every",
      "db.gap_when_lost_iterations_above",
      "db.memory_limit_bytes",
      "db.disk_limit_bytes",
      "db.charts_per_host_max",
      "db.dimensions_per_chart_max",
      "db.hosts_max",
      "db.new_charts_per_minute_max",
      "web.enabled",
      "web.listen",
      "collector.host_prefix",
    ]);
  });
});
