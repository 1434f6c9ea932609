import { describe, expect, test } from "bun:test";
import type { AgentReport, HostReport } from "../../agent/cli/agent-report.ts";
import { renderPaths } from "../../agent/cli/path-table.ts";
import { ageText, momentText, secondsText } from "../../agent/cli/report-text.ts";
import { renderTable } from "../../agent/cli/table.ts";

const NOW = 1_700_000_000;
const NO_LOSSES = { not_connected: 0, overflow: 0, disconnect: 0, refused: 0 };
const ACCOUNT = {
  offered: 1000,
  delivered: 900,
  acknowledged: 890,
  in_flight: 10,
  queued: 20,
  backlog: 30,
  recovered: 5,
  replayed: 6,
  lost: { ...NO_LOSSES, not_connected: 38, refused: 2 },
  imbalance: 0,
};

/** Only what the table reads. */
function host(part: Partial<HostReport>): HostReport {
  return { hostname: "parent-1", hops: 0, complete_to: NOW - 1, path: [], ...part } as HostReport;
}

function tableOf(...hosts: HostReport[]): string {
  return renderPaths({ now: NOW, hosts: [host({}), ...hosts] } as unknown as AgentReport);
}

describe("the way of a host", () => {
  test("is a row for each hop, from its origin to here", () => {
    const hop = { guid: "", account: ACCOUNT, told: NOW - 30, complete_to: NOW - 31 };
    const last = { ...hop, hostname: "site-north", told: NOW - 2, account: { ...ACCOUNT, lost: NO_LOSSES } };
    const path = [{ ...hop, hostname: "edge-7" }, last];
    expect(tableOf(host({ hostname: "edge-7", hops: 2, path }))).toBe(
      `WAY OF  AGENT            SENDS TO    OFFERED  DELIVERED  CONFIRMED  WAITING  LOST  WHY                          COMPLETE UP TO        SAID
edge-7  edge-7           site-north     1000        900        890       60    40  not_connected 38, refused 2  2023-11-14T22:12:49Z  30 s ago
edge-7  site-north       parent-1       1000        900        890       60     0  -                            2023-11-14T22:12:49Z  2 s ago
edge-7  parent-1 (here)                                                            -                            2023-11-14T22:13:19Z  now
`,
    );
  });

  const hop = { guid: "", hostname: "site-north", account: ACCOUNT, told: NOW, complete_to: NOW };
  test.each([
    { name: "the only one", hops: 1, path: [], row: ["db-3", "db-3", "parent-1", "told nothing", "-", "-"] },
    { name: "the first of two", hops: 2, path: [hop], row: ["db-3", "db-3", "site-north", "told nothing", "-", "-"] },
    { name: "all three", hops: 3, path: [], row: ["db-3", "db-3 and 2 more", "parent-1", "told nothing", "-", "-"] },
  ])("has a row for agents of another kind, which told nothing: $name", ({ hops, path, row }) => {
    const lines = tableOf(host({ hostname: "db-3", hops, path: [...path], complete_to: 0 })).split("\n");
    expect(lines[1]!.trim().split(/ {2,}/)).toEqual([...row]);
    expect(lines.at(-2)!.trim().split(/ {2,}/)).toEqual(["db-3", "parent-1 (here)", "-", "-", "now"]);
    expect(lines.length).toBe(4 + path.length);
  });

  test("is no table where every host is this machine", () => expect(tableOf()).toBe(""));
});

test.each([
  [0, "0 s"],
  [119, "119 s"],
  [121, "2 min"],
  [7199, "120 min"],
  [7201, "2 h"],
  [-5, "0 s"],
])("%p seconds are %p", (seconds, text) =>
  expect([secondsText(seconds), ageText(seconds)]).toEqual([text, `${text} ago`]),
);

test("a moment", () => expect([momentText(0), momentText(NOW)]).toEqual(["-", "2023-11-14T22:13:20Z"]));

test("numbers stand to the right, also where some are not known", () => {
  expect(
    renderTable([
      ["A", "LONG"],
      ["x", 1],
      ["y", ""],
    ]),
  ).toBe("A  LONG\nx     1\ny\n");
});
