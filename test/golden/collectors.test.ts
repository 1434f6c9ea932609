import { describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { COLLECTORS } from "../../agent/collector/registry.ts";
import { createTestContext, readCapture, unpackFixture } from "../collector-world.ts";
import type { RecordedChart } from "../recorded-charts.ts";

/** A chart as netdata 1.37.1 streamed it. */
interface Definition {
  name: string;
  title: string;
  units: string;
  family: string;
  context: string;
  chart_type: string;
  priority: number;
  update_every: number;
  options: string;
  plugin: string;
  module: string;
  vars: Record<string, string>;
  dims: {
    id: string;
    name: string;
    algorithm: string;
    multiplier: number;
    divisor: number;
    options: string;
    value: string;
  }[];
}
type Definitions = Record<string, Definition>;

/** Sources of the collectors built so far; `""` together with plugin diskspace.plugin. */
const MODULES: ReadonlySet<string> = new Set([
  "/proc/stat",
  "/proc/loadavg",
  "/proc/uptime",
  "/proc/meminfo",
  "/proc/vmstat",
  "/proc/pressure",
  "/proc/diskstats",
  "/proc/net/dev",
]);

/** Charts of those sources that belong to later waves of collectors.md. */
const LATER: { pattern: RegExp; reason: string }[] = [
  { pattern: /^cpu\.(core|package)_throttling$/, reason: "wave 2: thermal throttling" },
  { pattern: /^cpu\.cpufreq$/, reason: "wave 2: CPU frequency" },
  { pattern: /^cpu\.cpu\d+_cpuidle$/, reason: "wave 2: C-states" },
  { pattern: /^mem\.numa$/, reason: "wave 3: NUMA" },
];

/** What may differ from the reference, and why. Keys are chart ids or `chart dimension`. */
const EXCEPTIONS: { pattern: RegExp; what: "values" | "off by one"; reason: string }[] = [
  { pattern: /^disk_(space|inodes)\./, what: "values", reason: "statfs measures this machine, not the recorded tree" },
  {
    pattern: /_pressure$/,
    what: "off by one",
    reason: "the reference multiplies binary fractions (4.56 → 455), ours takes the digits (456)",
  },
];

/**
 * Host variables ride with whatever chart the reference sent next, so they are compared on their own; chart variables
 * are compared with their chart.
 */
const CHART_SCOPE = "@CHART";

function ours(definition: Definition): boolean {
  return MODULES.has(definition.module) || definition.plugin === "diskspace.plugin";
}

function exceptionOf(id: string): "values" | "off by one" | undefined {
  return EXCEPTIONS.find(({ pattern }) => pattern.test(id))?.what;
}

/** A reference definition in the shape that {@link describeChart} gives. */
function describeReference(definition: Definition) {
  const { name, title, units, family, context, chart_type, priority, update_every, options, module } = definition;
  return {
    name,
    title,
    units,
    family,
    context,
    type: chart_type,
    priority,
    updateEvery: update_every,
    options,
    module,
    variables: Object.fromEntries(
      Object.entries(definition.vars)
        .filter(([key]) => key.endsWith(CHART_SCOPE))
        .map(([key, value]) => [key.slice(0, -CHART_SCOPE.length), Number(value)]),
    ),
    dimensions: definition.dims.map(({ id, name, algorithm, multiplier, divisor, options }) => ({
      id,
      name,
      algorithm,
      multiplier,
      divisor,
      options,
    })),
  };
}

function describeChart(chart: RecordedChart): ReturnType<typeof describeReference> {
  const { meta } = chart;
  return {
    name: meta.name ?? "",
    title: meta.title,
    units: meta.units,
    family: meta.family,
    context: meta.context ?? chart.id,
    type: chart.type,
    priority: meta.priority,
    updateEvery: chart.updateEverySec,
    options: meta.detail ? "detail" : "",
    module: meta.module,
    variables: Object.fromEntries(chart.variables),
    dimensions: [...chart.dimensions.values()].map(({ id, algorithm, multiplier, divisor, options }) => ({
      id,
      name: options.name ?? id,
      algorithm,
      multiplier,
      divisor,
      options: options.hidden ? "hidden" : "",
    })),
  };
}

/** Runs every collector twice over one tree; derived values need two reads. */
function collectTree(prefix: string): Map<string, RecordedChart> {
  const charts = new Map<string, RecordedChart>();
  const hostVariables = new Map<string, number>();
  for (const module of COLLECTORS) {
    const context = createTestContext(module, {
      prefix,
      updateEverySec: module.everySecMin,
      // The reference ran with "enable zero metrics" and "performance metrics for partitions".
      settings: { zeroMetrics: true, partitions: true },
    });
    using collector = module.start(context);
    for (let cycle = 0; cycle < 2; cycle++) {
      collector.collect(context.clock.nowUs());
      context.clock.block(5000);
    }
    expect(context.log.lines).toEqual([]);
    for (const [id, chart] of context.charts.all) charts.set(id, chart);
    for (const [name, value] of context.charts.hostVariables) hostVariables.set(name, value);
  }
  expect(Object.fromEntries(hostVariables)).toEqual({ active_processors: 2 });
  return charts;
}

for (const version of ["cgroup2", "cgroup1"] as const) {
  describe(`recorded tree ${version}`, async () => {
    using tree = await unpackFixture(`fixture-root-${version}`);
    const charts = collectTree(`${tree.root}/root`);
    const capture = await readCapture(`netdata-1.37.1-stream-defs-fixture-${version}.json`);
    const reference = Object.entries(JSON.parse(capture) as Definitions)
      .filter(([id, definition]) => ours(definition) && !LATER.some(({ pattern }) => pattern.test(id)))
      .sort(([a], [b]) => a.localeCompare(b));

    test("the same charts exist", () => {
      expect(reference.length).toBeGreaterThan(150);
      expect([...charts.keys()].sort((a, b) => a.localeCompare(b))).toEqual(reference.map(([id]) => id));
    });

    test.each(reference)("%s", (id, definition) => {
      const chart = charts.get(id);
      expect(chart).toBeDefined();
      if (chart === undefined) return;
      expect(describeChart(chart)).toEqual(describeReference(definition));
      const exception = exceptionOf(id);
      if (exception === "values") return;
      expect(Object.keys(chart.committed)).toEqual(definition.dims.map((dimension) => dimension.id));
      for (const dimension of definition.dims) {
        const difference = Number(BigInt(chart.committed[dimension.id] ?? 0) - BigInt(dimension.value));
        expect(Math.abs(difference)).toBeLessThanOrEqual(exception === "off by one" ? 1 : 0);
      }
    });
  });
}

describe("this machine", async () => {
  const capture = JSON.parse(await readCapture("netdata-1.37.1-stream-defs.json")) as Definitions;
  const charts = new Map<string, RecordedChart>();
  for (const module of COLLECTORS) {
    const options = { updateEverySec: module.everySecMin, settings: { zeroMetrics: true } };
    const context = createTestContext(module, options);
    try {
      using collector = module.start(context);
      for (let cycle = 0; cycle < 2; cycle++) collector.collect(context.clock.nowUs() + cycle * 5e6);
    } catch (error) {
      // A machine without this source has nothing to compare: pressure is off in some kernels.
      expect(error).toMatchObject({ code: expect.stringMatching(/^source_/) });
    }
    for (const [id, chart] of context.charts.all) charts.set(id, chart);
  }
  const common = Object.keys(capture).filter((id) => charts.has(id) && ours(capture[id]!));

  test("shares charts with the machine of the capture", () => {
    expect(common).toContain("system.cpu");
    expect(common.length).toBeGreaterThan(20);
  });

  // What depends on the machine: mount points, link speed, page sizes, family of a disk.
  test.each(common)("%s", (id) => {
    const chart = describeChart(charts.get(id)!);
    const reference = describeReference(capture[id]!);
    expect(Object.keys(chart.variables)).toEqual(Object.keys(reference.variables));
    const machine = { variables: {}, ...(id.startsWith("disk") && { family: "", name: "" }) };
    expect({ ...chart, ...machine }).toEqual({ ...reference, ...machine });
  });
});

describe("descriptors", () => {
  test("stay the same over 1000 cycles", async () => {
    using tree = await unpackFixture("fixture-root-cgroup2");
    const contexts = COLLECTORS.map((module) => ({
      module,
      context: createTestContext(module, { prefix: `${tree.root}/root` }),
    }));
    const before = countDescriptors();
    {
      using stack = new DisposableStack();
      const collectors = contexts.map(({ module, context }) => ({
        context,
        collector: stack.use(module.start(context)),
      }));
      const cycle = (): void => {
        for (const { collector, context } of collectors) {
          collector.collect(context.clock.nowUs());
          context.clock.block(1000);
        }
      };
      cycle();
      const running = countDescriptors();
      expect(running).toBeGreaterThan(before);
      for (let i = 0; i < 1000; i++) cycle();
      expect(countDescriptors()).toBe(running);
    }
    expect(countDescriptors()).toBe(before);
  });
});

function countDescriptors(): number {
  return readdirSync("/proc/self/fd").length;
}
