import { describe, expect, test } from "bun:test";
import { AddressList } from "../../agent/base/address-list.ts";
import type { Log, LogFields } from "../../agent/base/log.ts";
import { silentLog } from "../../agent/base/log.ts";
import { setChartLabels, setLabels } from "../../agent/rrd/host-facts.ts";
import { ask, FixedClock, newApi } from "../http-fixture.ts";
import { parentAt } from "../http-synth.ts";
import { addHost, newDatabase, storeChart } from "../query-fixture.ts";
import { addHost as addLiveHost, dimension } from "../simulated-host.ts";

const NOW = 1_795_301_405;
const CHILD = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeee0001";
const api = newApi(parentAt(NOW), new FixedClock(NOW));

async function textOf(response: Response): Promise<[number, string]> {
  return [response.status, await response.text()];
}

describe("routes and errors (http-api.md §3)", () => {
  test.each<[string, number, string]>([
    ["/api", 400, "Which API version?"],
    ["/api/", 400, "Which API version?"],
    ["/api/v2/info", 404, "Unsupported API version: v2"],
    ["/api/v3/info", 404, "Unsupported API version: v3"],
    ["/api/v<i>/info", 404, "Unsupported API version: v&lt;i&gt;"],
    ["/api/v1", 400, "Which API v1 command?"],
    ["/api/v1/", 400, "Which API v1 command?"],
    ["/api/v1/no<b>such", 404, "Unsupported v1 API command: no&lt;b&gt;such"],
    ["/api/v1/chart?chart=", 400, "No chart id is given at the request."],
    ["/host/synth/api/v1/data?chart=demo.temp&dims=nosuch", 404, "No metrics where matched to query."],
    ["/api/v1/data?context=no.such", 404, "No metrics where matched to query."],
    ["/host/nohost/", 404, "This netdata does not maintain a database for host: nohost"],
    ["/host/a%3Cb", 404, "This netdata does not maintain a database for host: a&lt;b"],
    ["/host/synth/host/child1/", 400, "Nesting of hosts is not allowed."],
    ["/..%2Fetc%2Fpasswd", 400, "Relative filenames are not supported: ..&#x2F;etc&#x2F;passwd"],
    ["/host/synth/x.html", 404, "File does not exist, or is not accessible: x.html"],
    [
      "/api/v1/registry?action=drop",
      400,
      "Invalid registry request - you need to set an action: hello, access, delete, search",
    ],
    ["/api/v1/allmetrics", 400, "Which format? 'prometheus' and 'prometheus_all_hosts' are currently supported."],
    [
      "/host/synth/api/v1/data?chart=demo.temp&format=jsonp&callback=a%3Bb",
      400,
      "The callback may have letters, digits, '_', '.' and '$' only.",
    ],
    ["/healthz", 200, "ok"],
    ["/api/v1/alarm_count", 200, "[0]\n"],
    ["/api/v1/alarm_log", 200, "[]"],
  ])("%s → %d", async (path, status, body) => expect(await textOf(ask(api, path))).toEqual([status, body]));

  test.each(["synth", CHILD, CHILD.toUpperCase()])("a host goes by its name and by its GUID: %s", async (name) => {
    const info = (await ask(api, `/host/${name}/api/v1/info`).json()) as { uid: string };
    expect(info.uid).toBe(CHILD);
  });

  test("localhost is always this agent", async () => {
    const info = (await ask(api, "/host/localhost/api/v1/info").json()) as { uid: string };
    expect(info.uid).toEndWith("0010");
  });

  test("without the last slash a host's page is elsewhere, the query goes along", () => {
    const response = ask(api, "/host/synth?after=-60&x=%20");
    expect([response.status, response.headers.get("location")]).toEqual([308, "/host/synth/?after=-60&x=%20"]);
  });

  test("a chart is found by id, then by name; an unknown parameter does no harm", async () => {
    for (const chart of ["demo.temp", "demo.temperature"]) {
      const found = (await ask(api, `/host/synth/api/v1/chart?chart=${chart}&_=1`).json()) as { id: string };
      expect(found.id).toBe("demo.temp");
    }
  });

  test("a context of one chart stands for it", async () => {
    const [status, body] = await textOf(
      ask(api, "/host/synth/api/v1/data?context=demo.b&after=-1&format=csv&options=seconds"),
    );
    expect([status, body]).toEqual([200, "time,in,out\r\n1795301404,8,-16\r\n"]);
  });

  test.each(["POST", "PUT", "DELETE"])("%s is not understood", async (method) => {
    expect(await textOf(ask(api, "/api/v1/info", { method }))).toEqual([400, "I don't understand you...\r\n"]);
  });

  test("a URL beyond 8192 bytes is refused", async () => {
    const [status, body] = await textOf(ask(api, `/api/v1/info?${"x".repeat(8192)}`));
    expect(status).toBe(400);
    expect(body).toMatch(/^Received request is too big {2}\(\d+ bytes\)\.$/);
  });
});

describe("a host in memory mode none", () => {
  const database = newDatabase();
  const host = addHost(database, "relay", "1", { isLocal: true, memoryMode: "none" });
  host.defineChart({ id: "a.b" });
  const relay = newApi(database, new FixedClock(NOW));

  test.each(["chart?chart=a.b", "chart", "data?chart=a.b", "data"])(
    "%s says that there is no database",
    async (command) => {
      expect(await textOf(ask(relay, `/api/v1/${command}`))).toEqual([400, "This host does not maintain a database"]);
    },
  );

  test("charts lists none, info is as ever", async () => {
    const charts = (await ask(relay, "/api/v1/charts").json()) as { charts: object; charts_count: number };
    expect([charts.charts, charts.charts_count]).toEqual([{}, 0]);
    const info = (await ask(relay, "/api/v1/info").json()) as Record<string, unknown>;
    expect([info["memory-mode"], info["charts-count"]]).toEqual(["none", 0]);
  });
});

describe("what every answer carries (http-api.md §2)", () => {
  test("fixed headers", () => {
    const { headers } = ask(api, "/api/v1/info");
    expect(headers.get("server")).toBe("tributary/9.9.9");
    expect(headers.get("date")).toBe("Sat, 21 Nov 2026 22:50:05 GMT");
    expect(headers.get("access-control-allow-origin")).toBe("*");
    expect(headers.get("access-control-allow-credentials")).toBe("true");
    expect(headers.get("vary")).toContain("Accept-Encoding");
  });

  test("the origin is echoed, because browsers send credentials", () => {
    const { headers } = ask(api, "/api/v1/alarms", { headers: { Origin: "http://example.org" } });
    expect(headers.get("access-control-allow-origin")).toBe("http://example.org");
  });

  test.each<[string, string]>([
    ["/host/synth/api/v1/data?chart=demo.temp&after=-4", "no-cache, no-store, must-revalidate"],
    ["/host/synth/api/v1/data?chart=demo.temp&after=1795301300&before=1795301400", "public"],
    ["/host/synth/api/v1/data?chart=demo.temp&after=1795301300&before=-1", "no-cache, no-store, must-revalidate"],
    ["/host/synth/api/v1/charts", "no-cache, no-store, must-revalidate"],
    ["/nosuch", "no-cache, no-store, must-revalidate"],
  ])("%s: %s", (path, cache) => expect(ask(api, path).headers.get("cache-control")).toBe(cache));

  test("OPTIONS needs no path", async () => {
    const response = ask(api, "/whatever", { method: "OPTIONS" });
    expect(response.headers.get("access-control-allow-headers")).toEndWith("x-auth-token, authorization");
    expect(await textOf(response)).toEqual([200, "OK"]);
  });

  test("HEAD has the headers of GET and no body", async () => {
    for (const path of ["/api/v1/info", "/host/synth/api/v1/charts", "/nosuch", "/"]) {
      const get = ask(api, path);
      const head = ask(api, path, { method: "HEAD" });
      expect(head.status).toBe(get.status);
      expect(head.headers.get("content-type")).toBe(get.headers.get("content-type"));
      expect(head.headers.get("content-length")).toBe(String((await get.bytes()).length));
      expect((await head.bytes()).length).toBe(0);
    }
  });

  test("answers from 512 bytes on are compressed when that is accepted", async () => {
    const headers = { "Accept-Encoding": "gzip, deflate" };
    const plain = await ask(api, "/api/v1/info").text();
    const packed = ask(api, "/api/v1/info", { headers });
    expect(packed.headers.get("content-encoding")).toBe("gzip");
    expect(new TextDecoder().decode(Bun.gunzipSync(await packed.arrayBuffer()))).toBe(plain);
    expect(ask(api, "/api/v1/alarm_log", { headers }).headers.get("content-encoding")).toBeNull();
    const off = newApi(parentAt(NOW), new FixedClock(NOW), {}, { gzipLevel: () => 0 });
    expect(ask(off, "/api/v1/info", { headers }).headers.get("content-encoding")).toBeNull();
  });

  test("a file name is cleaned before it becomes a header", () => {
    const { headers } = ask(api, '/host/synth/api/v1/data?chart=demo.temp&after=-2&filename=a"b%0d%0aX:y%c3%bc.csv');
    expect(headers.get("content-disposition")).toBe('attachment; filename="abX:y.csv"');
  });
});

describe("access list", () => {
  const guardedBy = (allowsDashboard: (address: string) => boolean) => {
    return newApi(parentAt(NOW), new FixedClock(NOW), {}, { allowsDashboard });
  };
  const local = new AddressList("localhost 10.*");
  const guarded = guardedBy((address) => local.allows(address));

  test.each(["/", "/api/v1/info", "/api/v3/stream_info", "/nosuch", "/host/synth/"])(
    "%s is refused to strangers",
    async (path) => {
      const refused = await textOf(ask(guarded, path, {}, "192.168.0.1"));
      expect(refused).toEqual([403, "You are not allowed to access this resource."]);
      expect(ask(guarded, path, {}, "10.1.2.3").status).not.toBe(403);
    },
  );

  test("probes are answered to everybody", () => expect(ask(guarded, "/healthz", {}, "192.168.0.1").status).toBe(200));

  test("a reloaded list counts at once", () => {
    let list = local;
    const reloadable = guardedBy((address) => list.allows(address));
    expect(ask(reloadable, "/api/v1/info", {}, "192.168.0.1").status).toBe(403);
    list = new AddressList("192.168.*");
    expect(ask(reloadable, "/api/v1/info", {}, "192.168.0.1").status).toBe(200);
    expect(ask(reloadable, "/api/v1/info", {}, "10.1.2.3").status).toBe(403);
    expect(reloadable.counters.refused).toBe(2);
  });
});

describe("labels", () => {
  test("of any host and its charts: what is known of the machine, and above that what was said", async () => {
    const database = newDatabase();
    const host = addLiveHost(database, { machineGuid: CHILD })!;
    host.systemInfo = new Map([
      ["NETDATA_SYSTEM_OS_NAME", "Debian"],
      ["NETDATA_SYSTEM_ARCHITECTURE", "x86_64"],
    ]);
    setLabels(host, [
      { name: "_os_name", value: "My OS", source: 1 },
      { name: "room", value: "4 b", source: 2 },
    ]);
    const chart = host.defineChart({ id: "net.eth0", plugin: "p" })!;
    host.defineDimension(chart, dimension("sent"));
    setChartLabels(host, chart, [{ name: "device", value: "eth0", source: 1 }]);
    const api = newApi(database, new FixedClock(NOW));
    const info = (await ask(api, `/host/${CHILD}/api/v1/info`).json()) as { host_labels: object };
    expect(info.host_labels).toEqual({ _os_name: "My OS", _architecture: "x86_64", _is_parent: "false", room: "4 b" });
    const one = await ask(api, `/host/${CHILD}/api/v1/chart?chart=net.eth0`).json();
    expect(one).toMatchObject({
      chart_labels: { _collect_plugin: "p", _collect_module: "[none]", device: "eth0" },
    });
  });
});

describe("failures", () => {
  test("an internal error is one line to the client and one to the operator", async () => {
    const lines: [string, LogFields | undefined][] = [];
    const log: Log = { ...silentLog, error: (event, fields) => lines.push([event, fields]) };
    const exporters = () => {
      throw new Error("secret detail\n    at somewhere.ts:1");
    };
    const broken = newApi(parentAt(NOW), new FixedClock(NOW), { exporters }, { log });
    expect(await textOf(ask(broken, "/api/v1/info"))).toEqual([500, "Internal error, see the agent's log."]);
    expect(lines.map(([event]) => event)).toEqual(["http.request_failed"]);
    expect(broken.counters.failed).toBe(1);
  });

  test("one that comes in the middle of an answer cuts it and is logged", async () => {
    const lines: string[] = [];
    const log: Log = { ...silentLog, error: (event) => lines.push(event) };
    let calls = 0;
    const labels = () => {
      if (++calls > 1) throw new Error("later");
      return {};
    };
    const slow = newApi(parentAt(NOW), new TickingClock(NOW + 1), { labels }, { log });
    const response = ask(slow, "/api/v1/agent");
    expect(response.status).toBe(200);
    expect(response.text()).rejects.toThrow();
    await Bun.sleep(0);
    await Bun.sleep(0);
    expect(lines).toEqual(["http.request_failed"]);
  });
});

/** Every look at it is 10 ms later: no answer is ready in one go. */
class TickingClock extends FixedClock {
  private ms = 0;

  override monotonicMs(): number {
    this.ms += 10;
    return this.ms;
  }
}

describe("large answers", () => {
  const database = newDatabase();
  const host = addHost(database, "big", "1", { isLocal: true });
  const dimensions = Array.from({ length: 40 }, (_, i) => ({ id: `d${i}` }));
  const rows = Array.from({ length: 3600 }, (_, k) => [NOW - 3599 + k, ...dimensions.map((_, i) => k + i / 8)]);
  storeChart(host, { id: "big.chart", updateEverySec: 1, dimensions, rows });
  for (let i = 0; i < 500; i++)
    storeChart(host, { id: `big.c${i}`, updateEverySec: 1, dimensions: [{ id: "a" }], rows: [] });
  const atOnce = newApi(database, new FixedClock(NOW + 1));
  const inSlices = newApi(database, new TickingClock(NOW + 1));

  test.each([
    "/api/v1/data?chart=big.chart&after=1795297806&before=1795301405",
    "/api/v1/data?chart=big.chart&after=1795297806&before=1795301405&format=csv&options=jsonwrap",
    "/api/v1/data?chart=big.chart&after=1795297806&before=1795301405&options=percentage&format=ssv",
    "/api/v1/charts",
    "/host/big/",
    "/api/v1/allmetrics?format=prometheus_all_hosts&timestamps=no",
  ])("are the same when they are made in slices: %s", async (path) => {
    const whole = await ask(atOnce, path).text();
    const response = ask(inSlices, path);
    const sliced = await response.text();
    expect(sliced.length).toBe(whole.length);
    // Not toBe: a megabyte is no message.
    expect(sliced === whole).toBe(true);
  });

  test("do not get into one another when several are made at the same time", async () => {
    const path = "/api/v1/data?chart=big.chart&after=1795297806&before=1795301405";
    const paths = [path, `${path}&options=flip`, `${path}&options=objectrows`, `${path}&format=csv&options=seconds`];
    const wholes = await Promise.all(paths.map((each) => ask(atOnce, each).text()));
    const sliced = await Promise.all(paths.map((each) => ask(inSlices, each).text()));
    expect(sliced.map((text, i) => text === wholes[i])).toEqual([true, true, true, true]);
  });

  test("are compressed while they are sent", async () => {
    const path = "/api/v1/data?chart=big.chart&after=1795297806&before=1795301405";
    const headers = { "Accept-Encoding": "gzip" };
    for (const each of [atOnce, inSlices]) {
      const response = ask(each, path, { headers });
      expect(response.headers.get("content-encoding")).toBe("gzip");
      const plain = Bun.gunzipSync(await response.arrayBuffer());
      expect(new TextDecoder().decode(plain) === (await ask(atOnce, path).text())).toBe(true);
      expect(each.counters.gzipPlainBytes).toBe(plain.length);
      expect(each.counters.gzipSavings()).toBeGreaterThan(50);
    }
  });

  test("HEAD makes none of them", async () => {
    const response = ask(inSlices, "/api/v1/charts", { method: "HEAD" });
    expect((await response.bytes()).length).toBe(0);
  });

  test("a client that leaves ends the work", async () => {
    const { body } = ask(inSlices, "/api/v1/charts");
    const reader = body!.getReader();
    await reader.read();
    const next = reader.read();
    // The next slice is due when it leaves.
    for (let step = 0; step < 10; step++) await Promise.resolve();
    await reader.cancel();
    await next;
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(inSlices.counters.failed).toBe(0);
  });

  test("are refused when clients leave too many of them unread; each that ends makes room", async () => {
    const greedy = newApi(database, new TickingClock(NOW + 1));
    const unread = Array.from({ length: 64 }, () => ask(greedy, "/api/v1/charts"));
    expect(unread.every(({ status }) => status === 200)).toBe(true);
    expect(ask(greedy, "/api/v1/charts").status).toBe(503);
    expect(ask(greedy, "/api/v1/charts", { method: "HEAD" }).status).toBe(200);
    await unread[0]!.body!.cancel();
    await unread[1]!.text();
    const again = [ask(greedy, "/api/v1/charts"), ask(greedy, "/api/v1/charts"), ask(greedy, "/api/v1/charts")];
    expect(again.map(({ status }) => status)).toEqual([200, 200, 503]);
    expect(greedy.open.refused).toBe(2);
  });

  test("of queries, all together hold a bounded number of values", async () => {
    const greedy = newApi(database, new TickingClock(NOW + 1));
    // 40 dimensions of 86,400 rows, most of them empty: four fit.
    const day = `/api/v1/data?chart=big.chart&after=-86400&options=virtual-points`;
    const answers = Array.from({ length: 5 }, () => ask(greedy, day));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 503]);
    expect(answers[4]!.headers.get("retry-after")).toBe("5");
    await answers[0]!.body!.cancel();
    expect(ask(greedy, day).status).toBe(200);
    expect(ask(greedy, "/api/v1/data?chart=big.chart&after=-10").status).toBe(200);
  });
});

test("requests and response times are counted by interval", () => {
  const counted = newApi(parentAt(NOW), new TickingClock(NOW + 1));
  ask(counted, "/healthz");
  ask(counted, "/nosuch");
  expect(counted.counters.requests).toBe(2);
  const { averageUs, maxUs } = counted.counters.takeResponseTime();
  expect(averageUs).toBeGreaterThanOrEqual(10_000);
  expect(maxUs).toBeGreaterThanOrEqual(averageUs);
  expect(counted.counters.takeResponseTime()).toEqual({ averageUs: 0, maxUs: 0 });
  expect(counted.counters.gzipSavings()).toBeNull();
});
