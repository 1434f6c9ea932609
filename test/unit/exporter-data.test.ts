import { describe, expect, test } from "bun:test";
import { ExporterWorld, FedChart, feed, parseLine, START_SEC } from "./exporter-fixture.ts";

/** A world with one server and one chart that rises by 1 every second. */
function countingWorld() {
  const world = new ExporterWorld();
  const server = world.server("carbon:2003");
  const chart = new FedChart(world.local, "test.count", { up: "absolute", down: "absolute" }, 1, "counting");
  const run = (seconds: number) => feed(world, seconds, (now) => [[chart, [now - START_SEC, START_SEC - now]]]);
  return { world, server, chart, run };
}

describe("data sources", () => {
  test("sum: every stored point in one window, after a short first one", async () => {
    const { world, server, run } = countingWorld();
    world.start({ main: { update_every: 5, data_source: "sum" } });
    await run(30);
    const up = server.lines.map(parseLine).filter(({ path }) => path === "netdata.edge1.test.counting.up");
    expect(up.length).toBeGreaterThanOrEqual(4);
    let from = START_SEC + 1;
    for (const { value, timeSec } of up) {
      let sum = 0;
      for (let second = from; second <= timeSec; second++) sum += second - START_SEC;
      expect(value).toBe(sum.toFixed(7));
      from = timeSec + 1;
    }
    const lengths = up.slice(1).map(({ timeSec }, i) => timeSec - up[i]!.timeSec);
    expect(new Set(lengths)).toEqual(new Set([5]));
  });

  test("average: of the points there are", async () => {
    const { world, server, run } = countingWorld();
    world.start({ main: { update_every: 5 } });
    await run(30);
    const last = server.lines.map(parseLine).findLast(({ path }) => path.endsWith(".down"))!;
    expect(last.value).toBe((-(last.timeSec - START_SEC - 2)).toFixed(7));
  });

  test("as collected: newest raw values, whatever algorithm, to 64 bits", async () => {
    const world = new ExporterWorld();
    const server = world.server("carbon:2003");
    const chart = new FedChart(world.local, "test.raw", { big: "incremental", small: "absolute" });
    world.start({ main: { update_every: 2, data_source: "as collected" } });
    const big = 2n ** 63n - 1000n;
    await feed(world, 10, (now) => [[chart, [big + BigInt(now - START_SEC), -7]]]);
    const points = server.lines.map(parseLine);
    expect(points.length).toBeGreaterThanOrEqual(8);
    for (const { path, value, timeSec } of points) {
      const expected = path.endsWith(".big") ? String(big + BigInt(timeSec - START_SEC)) : "-7";
      expect(value).toBe(expected);
    }
    expect(points.map(({ timeSec }) => timeSec)).toEqual(points.map(({ timeSec }) => timeSec).sort());
  });

  test("as collected: a dimension that was not collected is not repeated, one never collected never sent", async () => {
    const world = new ExporterWorld();
    const server = world.server("carbon:2003");
    const dimensions = { always: "absolute", once: "absolute", never: "absolute" } as const;
    const chart = new FedChart(world.addHost(), "test.raw", dimensions);
    world.start({ main: { update_every: 1, data_source: "as collected" } });
    for (let i = 0; i < 10; i++) {
      await world.clock.advance(1000);
      chart.stream(world.clock.nowUs(), i < 2 ? 0 : 1_000_000, [1, i === 4 ? 9 : null, null]);
    }
    await world.clock.advance(1000);
    const paths = server.lines.map((line) => parseLine(line).path.split(".").at(-1));
    expect(paths.filter((path) => path === "always").length).toBeGreaterThanOrEqual(8);
    expect(paths.filter((path) => path === "once")).toEqual(["once"]);
    expect(paths).not.toContain("never");
    expect(world.exporters.counters()[0]!.skipped).toBeGreaterThan(0);
  });

  test("a chart slower than the exporter sends each point once", async () => {
    const world = new ExporterWorld();
    const server = world.server("carbon:2003");
    const chart = new FedChart(world.local, "test.slow", { x: "absolute" }, 10);
    world.start({ main: { update_every: 3, data_source: "sum" } });
    await feed(world, 120, (now) => (now % 10 === 0 ? [[chart, [now - START_SEC]]] : []));
    const points = server.lines.map(parseLine);
    expect(points.length).toBeGreaterThanOrEqual(8);
    points.forEach(({ value, timeSec }, i) => {
      expect(timeSec).toBe(points[0]!.timeSec + 10 * i);
      expect(Number(value)).toBe(timeSec - START_SEC);
    });
  });

  test("a window without values gives no point", async () => {
    const { world, server, chart, run } = countingWorld();
    world.start({ main: { update_every: 1 } });
    await run(10);
    await feed(world, 5, () => [[chart, [null, 1]]]);
    await run(8);
    const up = server.lines.map(parseLine).filter(({ path }) => path.endsWith(".up"));
    const down = server.lines.map(parseLine).filter(({ path }) => path.endsWith(".down"));
    expect(down.length - up.length).toBe(5);
    // Two dimensions of the first point, which is only a base, and five gaps.
    expect(world.exporters.counters()[0]!.skipped).toBe(5);
  });
});

describe("what is sent", () => {
  test("charts by id or name, first match", async () => {
    const world = new ExporterWorld();
    const server = world.server("carbon:2003");
    const a = new FedChart(world.local, "test.one", { x: "absolute" }, 1, "first");
    const b = new FedChart(world.local, "test.two", { x: "absolute" }, 1, "second");
    const c = new FedChart(world.local, "test.three", { x: "absolute" });
    const d = new FedChart(world.local, "other.four", { x: "absolute" });
    world.start({ main: { update_every: 1, send_charts_matching: "!test.three test.first test.t*" } });
    await feed(world, 8, () => [a, b, c, d].map((chart) => [chart, [1]] as const));
    const charts = new Set(server.lines.map((line) => parseLine(line).path));
    expect(charts).toEqual(new Set(["netdata.edge1.test.first.x", "netdata.edge1.test.second.x"]));
  });

  test("hosts: the local one as localhost, without a database only raw values", async () => {
    const world = new ExporterWorld();
    const average = world.server("a:2003");
    const raw = world.server("b:2003");
    const children = [world.addHost({ hostname: "keep1" }), world.addHost({ hostname: "drop1" })];
    children.push(world.addHost({ hostname: "keep2", memoryMode: "none" }));
    const charts = [world.local, ...children].map((host) => new FedChart(host, "test.x", { d: "absolute" }));
    const send_hosts_matching = "localhost keep*";
    world.start({
      average: { destination: ["a"], update_every: 1, send_hosts_matching },
      raw: { destination: ["b"], update_every: 1, send_hosts_matching, data_source: "as collected" },
    });
    await feed(world, 8, () => charts.map((chart) => [chart, [1]] as const));
    const hosts = (lines: string[]) => [...new Set(lines.map((line) => parseLine(line).path.split(".")[1]))];
    expect(hosts(average.lines)).toEqual(["edge1", "keep1"]);
    expect(hosts(raw.lines)).toEqual(["edge1", "keep1", "keep2"]);
  });

  test("ids, hostname, prefix, dots, tags and labels as configured", async () => {
    const world = new ExporterWorld();
    const server = world.server("carbon:2003");
    const child = world.addHost({ hostname: "kid.example" });
    const charts = [world.local, child].map((host) => {
      const chart = new FedChart(host, "test.id-1", {}, 1, "name");
      chart.addDimension(host, "d-1", "absolute", "dimension name");
      return chart;
    });
    const config = {
      update_every: 1,
      prefix: "my-fleet",
      hostname: "shop.example",
      host_dots: "underscore" as const,
      send_names_instead_of_ids: false,
      compat_names: false,
      send_configured_labels: true,
      tags: { env: "prod" },
    };
    const labels = { configured: { site: "lab one", env: "no" }, automatic: { os: "linux" } };
    world.start({ main: config }, { labels });
    await feed(world, 8, () => charts.map((chart) => [chart, [1]] as const));
    const paths = new Set(server.lines.map((line) => parseLine(line).path));
    expect(paths).toEqual(
      new Set([
        "my-fleet.shop_example.test.id-1.d-1;site=lab_one;env=prod",
        "my-fleet.kid_example.test.id-1.d-1;env=prod",
      ]),
    );
  });

  test("charts, dimensions and hosts that come, change their name, or go while it runs", async () => {
    const { world, server, chart, run } = countingWorld();
    world.start({ main: { update_every: 1 } });
    await run(6);
    chart.addDimension(world.local, "late", "absolute");
    const child = world.addHost({ hostname: "kid" });
    const kid = new FedChart(child, "test.kid", { x: "absolute" });
    await feed(world, 6, () => [
      [chart, [1, 2, 3]],
      [kid, [5]],
    ]);
    child.hostname = "renamed";
    await feed(world, 6, () => [[kid, [5]]]);
    world.database.removeHost(child);
    await run(3);
    const paths = new Set(server.lines.map((line) => parseLine(line).path));
    expect(paths).toContain("netdata.edge1.test.counting.late");
    expect(paths).toContain("netdata.kid.test.kid.x");
    expect(paths).toContain("netdata.renamed.test.kid.x");
    const kidTimes = server.lines.map(parseLine).filter(({ path }) => path.endsWith(".kid.x"));
    expect(new Set(kidTimes.map(({ timeSec }) => timeSec)).size).toBe(kidTimes.length);
  });
});

describe("time", () => {
  test("intervals missed while the process stood still are made up, window by window", async () => {
    const { world, server, chart, run } = countingWorld();
    world.start({ main: { update_every: 5, data_source: "sum" } });
    await run(20);
    for (let i = 0; i < 23; i++) {
      world.clock.freeze(100);
      chart.commit(world.clock.nowUs(), [world.clock.nowSec - START_SEC, 0]);
      world.clock.freeze(900);
    }
    await run(20);
    const up = server.lines.map(parseLine).filter(({ path }) => path.endsWith(".up"));
    const lengths = up.slice(1).map(({ timeSec }, i) => timeSec - up[i]!.timeSec);
    expect(new Set(lengths)).toEqual(new Set([5]));
    const total = up.reduce((sum, { value }) => sum + Number(value), 0);
    const last = up.at(-1)!.timeSec - START_SEC;
    expect(total).toBe((last * (last + 1)) / 2);
  });

  test("a clock set back a little: nothing is sent twice, what is left out is counted", async () => {
    const { world, server, run } = countingWorld();
    world.start({ main: { update_every: 1 } });
    await run(20);
    world.clock.wallOffsetMs -= 10_000;
    const before = world.exporters.counters()[0]!.skipped;
    await run(30);
    const times = server.lines.map(parseLine).filter(({ path }) => path.endsWith(".up"));
    const seconds = times.map(({ timeSec }) => timeSec);
    expect(seconds).toEqual([...new Set(seconds)].sort());
    expect(world.exporters.counters()[0]!.skipped).toBeGreaterThan(before);
    expect(seconds.at(-1)).toBeGreaterThan(START_SEC + 30);
  });

  test("a clock set back far: exporting goes on in the new time", async () => {
    const { world, server, run } = countingWorld();
    world.start({ main: { update_every: 1 } });
    await run(20);
    world.clock.wallOffsetMs -= 86_400_000;
    await run(20);
    const seconds = server.lines.map((line) => parseLine(line).timeSec);
    expect(seconds.filter((second) => second < START_SEC - 80_000).length).toBeGreaterThan(10);
  });

  test("a long interval", async () => {
    const { world, server, run } = countingWorld();
    world.start({ main: { update_every: 300, data_source: "sum" } });
    await run(700);
    const up = server.lines.map(parseLine).filter(({ path }) => path.endsWith(".up"));
    expect(up.length).toBeGreaterThanOrEqual(2);
    const last = up.at(-1)!.timeSec - START_SEC;
    expect(up.reduce((sum, { value }) => sum + Number(value), 0)).toBe((last * (last + 1)) / 2);
  });

  test("agents and exporters fire at their own moments", async () => {
    const seen = new Set<number>();
    for (const name of ["a", "b", "c", "d", "e", "f"]) {
      const { world, server, run } = countingWorld();
      world.start({ [name]: { update_every: 10 } });
      await run(25);
      seen.add(parseLine(server.lines.at(-1)!).timeSec % 10);
    }
    expect(seen.size).toBeGreaterThan(1);
  });

  test("work is cut into slices between charts", async () => {
    const world = new ExporterWorld();
    const server = world.server("carbon:2003");
    const charts = Array.from({ length: 40 }, (_, i) => new FedChart(world.local, `test.c${i}`, { x: "absolute" }));
    await feed(world, 6, () => charts.map((chart) => [chart, [1]] as const));
    // Every look at the clock costs 1 ms: a slice is over after 5 charts.
    const { clock } = world;
    let slices = 0;
    const setTimer = clock.setTimer.bind(clock);
    clock.setTimer = (delayMs, callback) => {
      if (delayMs === 0) slices++;
      return setTimer(delayMs, callback);
    };
    const monotonicMs = clock.monotonicMs.bind(clock);
    clock.monotonicMs = () => {
      clock.freeze(1);
      return monotonicMs();
    };
    world.start({ main: { update_every: 10 } });
    await feed(world, 20, () => charts.map((chart) => [chart, [1]] as const));
    expect(slices).toBeGreaterThanOrEqual(7);
    expect(new Set(server.lines.map((line) => parseLine(line).path)).size).toBe(40);
  });
});
