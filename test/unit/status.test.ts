import { describe, expect, test } from "bun:test";
import type { AgentReport, HostReport, LinkReport } from "../../agent/cli/agent-report.ts";
import { renderReport } from "../../agent/cli/status.ts";

const NO_DROPS = { gap_too_long: 0, clock: 0, reset: 0, non_finite: 0, no_space: 0, limit: 0, malformed: 0 };

const NO_TROUBLE = { refused_hosts: 0, files_set_aside: 0 };

function host(part: Partial<HostReport>): HostReport {
  return {
    guid: "aaaaaaaa-0000-0000-0000-000000000001",
    hostname: "parent-1",
    status: "online",
    lag: 0.25,
    last: 1_700_000_000,
    complete_to: 1_700_000_000,
    missing_from: 0,
    path: [],
    clock_offset: null,
    version: "0.1.0",
    hops: 0,
    charts: 80,
    dims: 200,
    rate: 199.6,
    mode: "ram",
    balance: {
      collected: 1000,
      received: 0,
      backfilled: 0,
      stored: 800,
      base: 200,
      merged: 0,
      unkept: 0,
      dropped: NO_DROPS,
      imbalance: 0,
    },
    files_problem: "",
    corrupt_blocks: 0,
    refused_charts: 0,
    refused_dimensions: 0,
    ...part,
  };
}

const EDGE = host({
  guid: "aaaaaaaa-0000-0000-0000-000000000002",
  hostname: "edge-7",
  hops: 1,
  balance: {
    ...host({}).balance,
    collected: 0,
    received: 500,
    stored: 290,
    merged: 7,
    dropped: { ...NO_DROPS, clock: 3 },
  },
});

function link(part: Partial<LinkReport>): LinkReport {
  const lost = { not_connected: 0, overflow: 0, disconnect: 0, refused: 0 };
  return {
    from: EDGE.guid,
    to: "parent-2:19999",
    key: "5555",
    state: "connected",
    rate: 100,
    error: null,
    confirm: "hop",
    unconfirmed: null,
    destinations: [],
    account: {
      offered: 500,
      delivered: 400,
      acknowledged: 0,
      in_flight: 100,
      queued: 0,
      backlog: 0,
      recovered: 0,
      replayed: 0,
      lost,
      imbalance: 0,
    },
    ...part,
  };
}

function report(part: Partial<AgentReport>): AgentReport {
  const none = { links: [], receivers: [], refusals: [], exporters: [], restart_needed: [] };
  const mismatches = { checked: 0, database: 0, link: 0, stream: 0, latest: [] };
  const nothing = { ...none, mismatches, db: NO_TROUBLE };
  return { now: 0, self: null, version: "0.1.0", hosts: [host({})], ...nothing, ...part };
}

function rowOf(text: string, first: string, head: string): string[] {
  const lines = text.split("\n");
  const from = lines.findIndex((line) => line.startsWith(head));
  const row = lines.slice(from).find((line) => line.startsWith(first));
  return (row ?? "").trim().split(/ {2,}/);
}

describe("tributary status", () => {
  test("one healthy host: its row, its account, one closing line", () => {
    const text = renderReport(report({}));
    expect(rowOf(text, "parent-1", "HOST")).toEqual([
      "parent-1",
      "online",
      "0.3 s",
      "0.1.0",
      "0",
      "80",
      "200",
      "ram",
      "this machine",
      "-",
    ]);
    expect(rowOf(text, "parent-1", "VALUES OF")).toEqual([
      "parent-1",
      "1000",
      "0",
      "0",
      "800",
      "200",
      "0",
      "0",
      "0",
      "-",
    ]);
    expect(text).toEndWith("\nAll hosts up to date, nothing lost, every account adds up.\n");
    expect(text).not.toContain("STREAM OF");
  });

  test("a child: where it comes from, the end of its key, why values were dropped", () => {
    const receivers = [{ guid: EDGE.guid, address: "10.0.0.7", key: "5555" }];
    const text = renderReport(report({ hosts: [host({}), EDGE], receivers }));
    expect(rowOf(text, "edge-7", "HOST").slice(-2)).toEqual(["10.0.0.7", "…5555"]);
    expect(rowOf(text, "edge-7", "VALUES OF").slice(-5)).toEqual(["200", "7", "0", "3", "clock 3"]);
    expect(text).toEndWith("\nnot stored since the start: edge-7 clock 3\n");
  });

  test("every trouble has its own closing line, with names", () => {
    const lost = { not_connected: 40, overflow: 0, disconnect: 2, refused: 0 };
    const account = { ...link({}).account, offered: 542, lost };
    const exporter = { name: "main", type: "graphite", destination: "10.0.0.1:2003", state: "connected" };
    const text = renderReport(
      report({
        hosts: [
          host({ balance: { ...host({}).balance, imbalance: 1 }, corrupt_blocks: 2 }),
          { ...EDGE, status: "stale", refused_charts: 4 },
        ],
        db: { refused_hosts: 1, files_set_aside: 3 },
        links: [link({ state: "error", error: "connection refused", account })],
        exporters: [{ ...exporter, rate: 1, produced: 9, sent: 4, lost: 5, queued: 0, error: null }],
      }),
    );
    expect(rowOf(text, "edge-7", "STREAM OF").slice(-2)).toEqual([
      "42",
      "not_connected 40, disconnect 2; connection refused",
    ]);
    expect(text.slice(text.indexOf("not up to date"))).toBe(`not up to date: edge-7 is stale
no connection now: edge-7 → parent-2:19999
not stored since the start: edge-7 clock 3
lost on the way since the start: edge-7 → parent-2:19999 not_connected 40, disconnect 2
lost exporting since the start: main 5
damaged on the disk and read as empty, "tributary db verify" says more: parent-1 2 blocks
files that could not be used since the start, "tributary db stat" names them: 3 set aside
refused by a limit since the start: 1 host; edge-7 4 charts, 0 dimensions
accounts that do not add up, please report this: parent-1
`);
  });

  test("what is off now, here and below, and what was found to be off", () => {
    const off = { ...link({}).account, imbalance: 5 };
    const hop = { guid: "", hostname: "edge-7", told: 0, complete_to: 0 };
    const path = [{ ...hop, account: { ...off, lost: { ...off.lost, overflow: 4 } } }];
    const found = { when: 940, kind: "stream", hostname: "edge-7", text: "the sender wrote 8 values, 7 were read" };
    const text = renderReport(
      report({
        now: 1000,
        hosts: [{ ...EDGE, path }],
        links: [link({ account: off })],
        mismatches: { checked: 990, database: 0, link: 0, stream: 1, latest: [found] },
      }),
    );
    expect(text.slice(text.indexOf("lost below"))).toBe(`lost below this agent, as told: edge-7 from edge-7 overflow 4
accounts that do not add up, please report this: the stream of edge-7 to parent-2:19999; the stream of edge-7 from edge-7
did not add up 1 time since the start, please report this: edge-7 60 s ago: the sender wrote 8 values, 7 were read
`);
  });

  test("what waits for a restart is no trouble, and told", () => {
    const text = renderReport(report({ restart_needed: ["db.history", "web.listen"] }));
    expect(text).toEndWith(`
Changed in the configuration, in effect after a restart: db.history, web.listen

All hosts up to date, nothing lost, every account adds up.
`);
  });

  test("a closing line about a thousand hosts stays a line", () => {
    const hosts = Array.from({ length: 1000 }, (_, index) => host({ hostname: `edge-${index}`, status: "offline" }));
    const closing = renderReport(report({ hosts })).trimEnd().split("\n").at(-1);
    const named = [0, 1, 2, 3, 4].map((index) => `edge-${index} is offline`);
    expect(closing).toBe(`not up to date: ${named.join("; ")}; and 995 more`);
  });

  test("a host that is being caught up with, and a clock that is off", () => {
    const hosts = [
      { ...EDGE, complete_to: 1_699_999_999, missing_from: 1_700_000_000, last: 1_700_000_300, clock_offset: -12.5 },
    ];
    const text = renderReport(report({ hosts }));
    expect(text).toContain("being fetched from the sender: edge-7 is complete up to 2023-11-14T22:13:19Z\n");
    expect(text).toContain("clocks that differ by more than 2 s: edge-7 is 12.5 s behind this machine\n");
  });

  test("an end that does not confirm: what keeps it from that", () => {
    const away = link({ confirm: "end", unconfirmed: "no connection to c:19999" });
    const text = renderReport(report({ hosts: [EDGE], links: [away] }));
    expect(text).toMatch(/ {2}not confirmed by the end: no connection to c:19999$/m);
    expect(text).toContain("not confirmed by the last agent of the path: edge-7 (no connection to c:19999)\n");
    expect(renderReport(report({ hosts: [EDGE], links: [link({ confirm: "end" })] }))).not.toContain("not confirmed");
  });

  test("several parents: a line for each, what is in use and why others are not", () => {
    const parent = { last_attempt: 1000, error: null, reason: null, postponed_until: 0, in_use_since: 0 };
    const destinations = [
      {
        ...parent,
        name: "a:19999",
        last_attempt: 990,
        error: "the parent is busy",
        reason: "busy",
        postponed_until: 1060,
      },
      { ...parent, name: "b:19999", last_attempt: 400, in_use_since: 400 },
      { ...parent, name: "c:19999", last_attempt: 0 },
      { ...parent, name: "d:19999", last_attempt: 500, error: "connection refused", postponed_until: 900 },
    ];
    const text = renderReport(report({ now: 1000, hosts: [EDGE], links: [link({ destinations })] }));
    const rows = text.split("\n").filter((line) => /:19999 /.test(line) && line.startsWith("edge-7  "));
    expect(rows.slice(1).map((row) => row.trim().split(/ {2,}/))).toEqual([
      ["edge-7", "a:19999", "-", "10 s ago", "for 60 s", "busy: the parent is busy"],
      ["edge-7", "b:19999", "for 10 min", "10 min ago", "-", "-"],
      ["edge-7", "c:19999", "-", "never", "-", "-"],
      ["edge-7", "d:19999", "-", "8 min ago", "-", "connection refused"],
    ]);
    const single = renderReport(report({ hosts: [EDGE], links: [link({ destinations: [destinations[1]!] })] }));
    expect(single).not.toContain("PARENTS OF");
  });

  test("streams that were not taken: who, why, and what now", () => {
    const refusal = { when: 997, times: 3, address: "10.0.0.9", hostname: "edge-8", guid: EDGE.guid, key: "5555" };
    const why = { reason: "key_unknown", text: "Your API key is not known here.", advice: "add it" };
    const nameless = { ...refusal, ...why, when: 0, times: 1, hostname: "", guid: "", key: "" };
    const text = renderReport(report({ now: 1000, refusals: [{ ...refusal, ...why }, nameless] }));
    expect(text).toContain(`
Streams that were not taken, the latest first:
  3 s ago, 3 times: edge-8, GUID ${EDGE.guid}, key …5555, from 10.0.0.9
    Your API key is not known here.
    what now: add it
  17 min ago, 1 time: no name, GUID none, key none, from 10.0.0.9
`);
  });

  test("values that wait in the ring are queued; what the parent confirmed stands beside what was delivered", () => {
    const { account } = link({});
    const links = [link({ account: { ...account, acknowledged: 390, queued: 10, backlog: 5, offered: 515 } })];
    const row = rowOf(renderReport(report({ hosts: [EDGE], links })), "edge-7", "STREAM OF");
    expect(row.slice(3, 8)).toEqual(["515", "400", "390", "100", "15"]);
  });
});
