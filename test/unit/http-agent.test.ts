import { describe, expect, test } from "bun:test";
import { lagSec, statusOf } from "../../agent/http/host-status.ts";
import { HostRates } from "../../agent/http/rates.ts";
import type { ExporterStatus, LinkStatus, ReceiverStatus, RefusalStatus } from "../../agent/http/sources.ts";
import { ask, FixedClock, newApi } from "../http-fixture.ts";
import { parentAt } from "../http-synth.ts";
import { addHost, newDatabase } from "../query-fixture.ts";

const NOW = 1_795_301_405;
const KEY = "11111111-2222-3333-4444-555555551a2b";

const LINK: LinkStatus = {
  from: "aaaaaaaa-bbbb-cccc-dddd-eeeeeeee0010",
  to: "10.0.0.1:19999",
  apiKey: KEY,
  state: "connected",
  sinceSec: NOW - 60,
  rate: 12.5,
  bytes: 4096,
  error: null,
  confirm: "end",
  unconfirmed: "no connection to c:1",
  destinations: [
    { name: "10.0.0.1:19999", lastAttemptSec: 7, error: "", reason: "", postponedUntilSec: 0, inUseSinceSec: NOW - 60 },
    {
      name: "b:1",
      lastAttemptSec: 9,
      error: "too busy",
      reason: "busy",
      postponedUntilSec: NOW + 60,
      inUseSinceSec: 0,
    },
  ],
  account: {
    offered: 100,
    delivered: 80,
    acknowledged: 70,
    inFlight: 5,
    queued: 3,
    backlog: 2,
    recovered: 6,
    replayed: 7,
    lost: { not_connected: 4, overflow: 3, disconnect: 2, refused: 1 },
  },
};

const RECEIVER: ReceiverStatus = {
  machineGuid: "aaaaaaaa-bbbb-cccc-dddd-eeeeeeee0001",
  viaGuid: "aaaaaaaa-bbbb-cccc-dddd-eeeeeeee0011",
  address: "10.0.0.7",
  apiKey: KEY,
  sinceSec: NOW - 100,
  bytes: 1234,
};

const REFUSAL: RefusalStatus = {
  whenSec: NOW - 7,
  times: 3,
  address: "10.0.0.9",
  hostname: "edge",
  machineGuid: "aaaaaaaa-bbbb-cccc-dddd-eeeeeeee0009",
  keyEnd: "1a2b",
  reason: "key_unknown",
  text: "why",
  advice: "what now",
};

const EXPORTER: ExporterStatus = {
  name: "main",
  type: "graphite",
  destination: "10.0.0.1:2003",
  dataSource: "average",
  state: "sending",
  lastOkSec: NOW - 3,
  sentPerSec: 8,
  produced: 100,
  sent: 90,
  lost: 4,
  queued: 6,
  queueBytes: 600,
  queueBytesMax: 4096,
  failures: 1,
  error: "refused",
};

interface Agent {
  v: number;
  now: number;
  self: string;
  version: string;
  hosts: Record<string, unknown>[];
  links: unknown[];
  receivers: unknown[];
  refusals: unknown[];
  exporters: unknown[];
  mismatches: unknown;
  restart_needed: string[];
  db: Record<string, number>;
}

describe("/api/v1/agent", () => {
  const database = parentAt(NOW);
  const rooms = { links: () => [LINK], receivers: () => [RECEIVER], exporters: () => [EXPORTER] };
  const files = () => ({ diskBytes: 500, diskLimitBytes: 1000, degradedHosts: 2, filesSetAside: 3 });
  const mismatches = () => ({
    checkedSec: NOW,
    counts: { database: 1, link: 2, stream: 3 },
    latest: [{ whenSec: NOW - 5, kind: "stream" as const, machineGuid: "child", hostname: "edge", text: "off" }],
  });
  const agent = { ...rooms, files, mismatches, refusals: () => [REFUSAL], restartNeeded: () => ["db.history"] };
  const values = { ...LINK.account, delivered: 78 };
  const hops = [
    { machineGuid: "proxy", hostname: "site", completeToSec: NOW - 1, toldUs: NOW * 1e6, values },
    { machineGuid: "child", hostname: "edge", completeToSec: NOW - 42, toldUs: (NOW - 40) * 1e6, values },
  ];
  database.host(RECEIVER.machineGuid)!.path = { hops, version: 1 };
  const api = newApi(database, new FixedClock(NOW + 2), agent);

  test("tells hosts with their accounts, links, receivers and exporters", async () => {
    const got = (await ask(api, "/api/v1/agent").json()) as Agent;
    expect([got.v, got.now, got.self, got.version]).toEqual([1, NOW + 2, LINK.from, "9.9.9"]);
    const { inFlight: in_flight, ...values } = LINK.account;
    const hop = { ...values, in_flight, delivered: 78 };
    const synth = got.hosts[2]!;
    const { balance, ...rest } = synth;
    expect(rest).toEqual({
      guid: "aaaaaaaa-bbbb-cccc-dddd-eeeeeeee0001",
      hostname: "synth",
      status: "online",
      lag: 1.5,
      last: NOW,
      version: "0.1",
      os: "linux",
      hops: 1,
      via: RECEIVER.viaGuid,
      charts: 2,
      clock_offset: null,
      complete_to: NOW,
      missing_from: 0,
      path: [
        { guid: "child", hostname: "edge", told: NOW - 40, complete_to: NOW - 42, account: { ...hop, imbalance: 2 } },
        { guid: "proxy", hostname: "site", told: NOW, complete_to: NOW - 1, account: { ...hop, imbalance: 2 } },
      ],
      dims: 8,
      rate: 0,
      mode: "ram",
      first: NOW - 122,
      labels: {},
      refused_charts: 0,
      refused_dimensions: 0,
      files_problem: "",
      corrupt_blocks: 0,
    });
    const account = balance as Record<string, number> & { dropped: Record<string, number> };
    // 117 samples of 8 dimensions: the first of each is a base.
    expect(account["received"]).toBe(117 * 8);
    expect(account["imbalance"]).toBe(0);
    const { stored, base, merged, unkept } = account;
    const dropped = Object.values(account.dropped).reduce((sum, count) => sum + count, 0);
    expect(stored! + base! + merged! + unkept! + dropped).toBe(account["received"]!);
    expect(Object.keys(account.dropped)).toEqual([
      "gap_too_long",
      "clock",
      "reset",
      "non_finite",
      "no_space",
      "limit",
      "malformed",
    ]);
    expect(got.links).toEqual([
      {
        from: LINK.from,
        to: LINK.to,
        key: "1a2b",
        state: "connected",
        since: NOW - 60,
        rate: 12.5,
        bytes: 4096,
        error: null,
        confirm: "end",
        unconfirmed: "no connection to c:1",
        destinations: [
          {
            name: "10.0.0.1:19999",
            last_attempt: 7,
            error: null,
            reason: null,
            postponed_until: 0,
            in_use_since: NOW - 60,
          },
          {
            name: "b:1",
            last_attempt: 9,
            error: "too busy",
            reason: "busy",
            postponed_until: NOW + 60,
            in_use_since: 0,
          },
        ],
        account: {
          offered: 100,
          delivered: 80,
          acknowledged: 70,
          in_flight: 5,
          queued: 3,
          backlog: 2,
          recovered: 6,
          replayed: 7,
          lost: { not_connected: 4, overflow: 3, disconnect: 2, refused: 1 },
          imbalance: 0,
        },
      },
    ]);
    const { machineGuid: guid, viaGuid: via, address, bytes } = RECEIVER;
    expect(got.receivers).toEqual([{ guid, via, address, key: "1a2b", since: NOW - 100, bytes }]);
    const { whenSec: when, machineGuid, keyEnd, ...refusal } = REFUSAL;
    expect(got.refusals).toEqual([{ ...refusal, when, guid: machineGuid, key: keyEnd }]);
    expect(got.mismatches).toEqual({
      checked: NOW,
      database: 1,
      link: 2,
      stream: 3,
      latest: [{ when: NOW - 5, kind: "stream", guid: "child", hostname: "edge", text: "off" }],
    });
    expect(got.restart_needed).toEqual(["db.history"]);
    const disk = { disk_bytes: 500, disk_limit_bytes: 1000, degraded_hosts: 2, files_set_aside: 3 };
    expect(got.db).toMatchObject(disk);
    expect(got.exporters).toEqual([
      {
        name: "main",
        type: "graphite",
        destination: "10.0.0.1:2003",
        data_source: "average",
        state: "sending",
        last_ok: NOW - 3,
        rate: 8,
        produced: 100,
        sent: 90,
        lost: 4,
        queued: 6,
        queue_bytes: 600,
        queue_bytes_max: 4096,
        failures: 1,
        error: "refused",
      },
    ]);
    expect(got.db["hosts"]).toBe(3);
  });

  test("an API key never leaves in full, on any page", async () => {
    for (const path of ["/api/v1/agent", "/", "/api/v1/info", "/host/synth/"]) {
      expect(await ask(api, path).text()).not.toContain(KEY.slice(0, 8));
    }
  });

  test("rates are taken over seconds", async () => {
    const clock = new FixedClock(NOW);
    const counted = parentAt(NOW);
    const ticked = newApi(counted, clock);
    const { balance } = counted.findHost("synth")!;
    for (let second = 0; second <= 12; second++) {
      clock.set(NOW + second);
      balance.received += 50;
      ticked.tick();
    }
    const got = (await ask(ticked, "/api/v1/agent").json()) as Agent;
    expect(got.hosts.map((host) => host["rate"])).toEqual([0, 0, 50]);
  });
});

test("a rate needs two looks, and forgets what is long ago", () => {
  const host = addHost(newDatabase(), "h", "1");
  const rates = new HostRates();
  expect(rates.rateOf(host, 0)).toBe(0);
  rates.observe(host, 0);
  host.balance.collected += 1000;
  expect(rates.rateOf(host, 1000)).toBe(1000);
  for (let second = 1; second <= 20; second++) rates.observe(host, second * 1000);
  expect(rates.rateOf(host, 20_000)).toBe(0);
});

describe("state of a host (dashboard.md §2)", () => {
  test.each([
    { name: "local", host: { isLocal: true, lag: 1000 }, expected: "online" },
    { name: "connected, 3 s behind", host: { isConnected: true, lag: 3 }, expected: "online" },
    { name: "connected, 4 s behind", host: { isConnected: true, lag: 4 }, expected: "stale" },
    {
      name: "connected, update_every 10, 30 s behind",
      host: { isConnected: true, every: 10, lag: 30 },
      expected: "online",
    },
    {
      name: "connected, update_every 10, 31 s behind",
      host: { isConnected: true, every: 10, lag: 31 },
      expected: "stale",
    },
    { name: "disconnected for 59 s", host: { goneSec: 59, lag: 60 }, expected: "stale" },
    { name: "disconnected for a minute", host: { goneSec: 60, lag: 60 }, expected: "offline" },
    { name: "never connected", host: { lag: 3 }, expected: "archived" },
  ] as {
    name: string;
    host: { isLocal?: boolean; isConnected?: boolean; lag: number; every?: number; goneSec?: number };
    expected: string;
  }[])("$name is $expected", ({ host: given, expected }) => {
    const host = newDatabase().addHost({
      machineGuid: "aaaaaaaa-bbbb-cccc-dddd-eeeeeeee0001",
      hostname: "h",
      os: "linux",
      updateEverySec: given.every ?? 1,
      historyEntries: 100,
      memoryMode: "ram",
      gapIterations: 3,
      isLocal: given.isLocal === true,
    })!;
    host.isConnected = given.isConnected === true;
    host.lastCollectedUs = (NOW - given.lag) * 1e6;
    host.disconnectedUs = given.goneSec === undefined ? 0 : (NOW - given.goneSec) * 1e6;
    expect(statusOf(host, NOW * 1e6)).toBe(expected as "online");
    expect(lagSec(host, NOW * 1e6)).toBe(given.lag);
  });

  test("a host without a sample is as far behind as it is known", () => {
    const host = addHost(newDatabase(), "h", "1");
    host.firstSeenUs = (NOW - 2) * 1e6;
    host.isConnected = true;
    expect([lagSec(host, NOW * 1e6), statusOf(host, NOW * 1e6)]).toEqual([2, "online"]);
  });
});

describe("/api/v3/stream_info (streaming.md §1.6)", () => {
  const api = newApi(parentAt(NOW), new FixedClock(NOW + 1), { receivers: () => [RECEIVER] });
  const about = async (guid: string) => {
    const response = ask(api, `/api/v3/stream_info?machine_guid=${guid}`);
    expect([response.status, response.headers.get("content-type")]).toEqual([200, "application/json; charset=utf-8"]);
    return (await response.json()) as Record<string, unknown>;
  };
  const common = { version: 1, host_id: LINK.from, nodes: 3, receivers: 1, nonce: 2 ** 30 };

  test("a host that streams here", async () => {
    expect(await about("aaaaaaaa-bbbb-cccc-dddd-eeeeeeee0001")).toEqual({
      ...common,
      status: 200,
      db_status: "online",
      db_liveness: "live",
      ingest_type: "child",
      ingest_status: "online",
      first_time_s: NOW - 122,
      last_time_s: NOW,
    });
  });

  test.each(["aaaaaaaa-bbbb-cccc-dddd-eeeeeeee0099", "nonsense", ""])(
    "unknown host %p: stops after nonce",
    async (guid) => {
      expect(await about(guid)).toEqual({ ...common, status: 404 });
    },
  );

  test("whoever may stream may ask, also where the page is for others", () => {
    const allowsDashboard = () => false;
    const allowsStreaming = (address: string) => address === "10.0.0.7";
    const guarded = newApi(parentAt(NOW), new FixedClock(NOW), {}, { allowsDashboard, allowsStreaming });
    const status = (path: string, address: string) => ask(guarded, path, {}, address).status;
    const path = "/api/v3/stream_info?machine_guid=aaaaaaaa-bbbb-cccc-dddd-eeeeeeee0001";
    expect([status(path, "10.0.0.7"), status(path, "10.0.0.8")]).toEqual([200, 403]);
    expect([status("/api/v1/agent", "10.0.0.7"), status("/api/v3/info", "10.0.0.7")]).toEqual([403, 403]);
  });

  test("this host itself", async () => {
    expect((await about(LINK.from.toUpperCase()))["ingest_type"]).toBe("localhost");
  });
});
