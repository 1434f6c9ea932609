import { describe, expect, test } from "bun:test";
import type { DatabaseStat, StoredHostStat } from "../../agent/app/stat-database.ts";
import { renderFinding, renderStat, renderSummary, statJson } from "../../agent/cli/db-report.ts";
import { isoLocal, parseMoment } from "../../agent/cli/moment.ts";

const NOW_SEC = 1_795_843_800;

const HOST: StoredHostStat = {
  machineGuid: "aaaaaaaa-0000-0000-0000-000000000001",
  hostname: "edge-7",
  memoryMode: "map",
  updateEverySec: 1,
  historyEntries: 3600,
  charts: 80,
  dimensions: 200,
  segments: 2,
  diskBytes: 3 * 2 ** 20,
  columns: 320,
  columnsUsed: 200,
  oldestSec: NOW_SEC - 3600,
  newestSec: NOW_SEC,
  state: "closed",
  problem: "",
  setAside: [],
};
const LOST: StoredHostStat = {
  ...HOST,
  machineGuid: "aaaaaaaa-0000-0000-0000-000000000002",
  hostname: "",
  memoryMode: "",
  columns: 0,
  columnsUsed: 0,
  oldestSec: 0,
  newestSec: 0,
  state: "unusable",
  problem: "catalogue: it is missing",
  setAside: ["seg-0.rrd.bad-7"],
};

const stat = (...hosts: StoredHostStat[]): DatabaseStat => ({ directory: "/state/db", holderPid: null, hosts });

describe("stat", () => {
  test("sums up; a state that needs words gets them, what is amiss is named", () => {
    const text = renderStat(stat(HOST, LOST, { ...HOST, hostname: "saver", memoryMode: "save" }));
    const lines = text.split("\n");
    expect(lines[0]).toBe("/state/db, no agent uses it");
    expect(lines.find((line) => line.startsWith("edge-7 "))).toContain("closed in order");
    expect(lines.find((line) => line.startsWith("saver "))).toEndWith("saved");
    expect(text).toContain("\n3 hosts, 240 charts, 600 dimensions, 6 segments, 9 MiB, 63 % of the columns used\n");
    expect(text).toContain('\nunusable: "tributary db verify" says why\n');
    expect(text).toContain(`\n${LOST.machineGuid}: catalogue: it is missing\n`);
    expect(text).toEndWith(`\nset aside: /state/db/${LOST.machineGuid}/seg-0.rrd.bad-7\n`);
  });

  test("a running agent is named; one host is one", () => {
    const text = renderStat({ ...stat({ ...HOST, state: "in_use" }), holderPid: 4711 });
    expect(text).toStartWith("/state/db, in use by the agent with pid 4711\n");
    expect(text).toEndWith("\n1 host, 80 charts, 200 dimensions, 2 segments, 3 MiB, 63 % of the columns used\n");
  });

  test("as JSON", () => {
    expect(JSON.parse(statJson(stat(HOST)))).toMatchObject({
      directory: "/state/db",
      pid: null,
      hosts: [{ guid: HOST.machineGuid, history: 3600, bytes: HOST.diskBytes, columns_used: 200, state: "closed" }],
    });
  });
});

test("a finding is one line with file, what and cost; the summary has the counts", () => {
  const finding = { kind: "problem", file: "/state/db/x/seg-0.rrd", what: "it is missing", cost: "all" } as const;
  expect(renderFinding(finding)).toBe("problem: /state/db/x/seg-0.rrd: it is missing; costs: all\n");
  expect(renderSummary({ hosts: 1, segments: 2, blocks: 30, problems: 1 })).toBe(
    "1 host, 2 segments, 30 sealed blocks checked, 1 problem\n",
  );
});

describe("times as people write them", () => {
  const local = (...parts: [number, number, number, number, number]) => new Date(...parts).getTime() / 1000;

  test.each<[string, number | undefined]>([
    ["1795843800", 1_795_843_800],
    ["0", 0],
    ["-90", NOW_SEC - 90],
    ["-90s", NOW_SEC - 90],
    ["-10m", NOW_SEC - 600],
    ["-2h", NOW_SEC - 7200],
    ["-7d", NOW_SEC - 604_800],
    ["2026-11-28T05:30:00Z", 1_795_843_800],
    ["2026-11-28T06:30:00+01:00", 1_795_843_800],
    ["2026-11-28T05:30", local(2026, 10, 28, 5, 30)],
    ["2026-11-28 05:30", local(2026, 10, 28, 5, 30)],
    ["2026-11-28", local(2026, 10, 28, 0, 0)],
    ["2026-13-28", undefined],
    ["2h", undefined],
    ["-2w", undefined],
    ["yesterday", undefined],
    ["", undefined],
  ])("%s", (text, sec) => {
    expect(parseMoment(text, NOW_SEC)).toBe(sec as number);
  });

  test("and as they read them: what is printed is read back", () => {
    expect(isoLocal(NOW_SEC)).toMatch(/^2026-11-2\dT\d\d:\d\d:00[+-]\d\d:\d\d$/);
    expect(parseMoment(isoLocal(NOW_SEC), 0)).toBe(NOW_SEC);
  });
});
