import { describe, expect, test } from "bun:test";
import { AgentError, BugError } from "../../agent/base/errors.ts";
import { Catalogue } from "../../agent/rrd/store/catalogue.ts";
import {
  chartLine,
  dimensionsLine,
  goneLine,
  hostLine,
  SYSTEM_INFO_MAX,
} from "../../agent/rrd/store/catalogue-format.ts";
import { readCatalogue } from "../../agent/rrd/store/catalogue-read.ts";
import {
  chartDefinition,
  chartsOf,
  type Fault,
  MemoryFiles,
  storedChart,
  storedDimensions,
  storedHost,
} from "../catalogue-world.ts";
import { dimension } from "../simulated-host.ts";

const PATH = "db/catalog.jsonl";

/** A line with a true checksum around any text. */
function line(json: string): Buffer {
  const checksum = Bun.hash.crc32(json).toString(16).padStart(8, "0");
  return Buffer.from(`${json}\t${checksum}\n`);
}

/** `line` with one of its first bytes changed, so that its checksum is wrong. */
function broken(good: Buffer): Buffer {
  const bytes = Buffer.from(good);
  bytes[3]! ^= 1;
  return bytes;
}

function read(...lines: Buffer[]) {
  return readCatalogue(Buffer.concat(lines));
}

/** The values of a good chart line, to be spoilt one at a time. */
const CHART = ["chart", 1, 1, "a.b", null, "t", "u", "f", "c", 0, 100, 1, "p", "m", 0, "d", null, 1, 1, 1, 0, 2, 3, 9];
const HOST = JSON.parse(hostLine(storedHost()).toString().split("\t")[0]!) as unknown[];

function spoilt(values: readonly unknown[], at: number, value: unknown): Buffer {
  return line(JSON.stringify(values.with(at, value)));
}

describe("readCatalogue: one line", () => {
  test("a chart with a name, every option and a 64-bit multiplier", () => {
    const definition = chartDefinition("disk.sda", {
      name: 'disk.\u{1f4bd} "x"\n',
      chartType: "area",
      priority: -7.5,
      updateEverySec: 3600,
      detail: true,
      hidden: true,
      storeFirst: true,
    });
    const odd = dimension("é\ud800", "percentage-of-incremental-row", {
      name: "",
      multiplier: -(2 ** 63),
      divisor: 0.25,
      hidden: true,
      noReset: true,
      obsolete: true,
    });
    const dimensions = [{ dimension: odd, segment: 65_000, column: 255, sinceSec: 0 }];
    const chart = { key: 2 ** 32 - 1, definition, isObsolete: true, dimensions };
    const content = read(chartLine(chart, 9));
    expect(content.problems).toEqual([]);
    expect(chartsOf(content)).toEqual([chart]);
    expect(content.nextKey).toBe(2 ** 32);
  });

  test("a host, of which the last line counts", () => {
    const content = read(hostLine(storedHost({ hostname: "old" })), hostLine(storedHost()));
    expect(content.host).toEqual(storedHost());
    expect(content.liveBytes).toBe(content.totalBytes / 2 + 1);
  });

  test("texts of a host are cut to what is read", () => {
    const long = "x".repeat(1001);
    const systemInfo = new Map(Array.from({ length: SYSTEM_INFO_MAX + 1 }, (_, i) => [`${i}${long}`, long]));
    const { host } = read(hostLine(storedHost({ tags: long, systemInfo })));
    expect(host!.tags).toBe(long.slice(1));
    expect(host!.systemInfo.size).toBe(SYSTEM_INFO_MAX);
  });

  test("the format on disk stays as it is", () => {
    expect(chartLine(storedChart(7, [1]), 2).toString()).toBe(
      '["chart",7,2,"test.chart7",null,"Total CPU utilization","percentage","cpu","system.cpu",2,100,1,"proc.plugin",' +
        '"/proc/stat",0,"d0",null,1,1,1024,0,0,1,1700000000]\t11337c20\n',
    );
    expect(dimensionsLine(7, 3, 1, storedDimensions([2], 1)).toString()).toBe(
      '["dims",7,3,1,"d1",null,1,1,1024,0,0,2,1700000000]\tb7443d75\n',
    );
    expect(goneLine(7).toString()).toBe('["gone",7]\t7434e919\n');
  });
});

describe("readCatalogue: values that are refused", () => {
  const long = "x".repeat(1001);
  const cases: [string, number, unknown[]][] = [
    ["key", 1, [0, -1, 1.5, 2 ** 32, "1", null, true]],
    ["revision", 2, [0, -1, 0.5, "1", null]],
    ["id", 3, ["", "ab", ".b", "a.", null, 1, `a.${long}`, ["a.b"]]],
    ["name", 4, [1, long]],
    ["title", 5, [null, 1, long]],
    ["units", 6, [null, long]],
    ["family", 7, [null, long]],
    ["context", 8, [null, long]],
    ["type", 9, [-1, 3, 0.5, "0", [0], null, "length"]],
    ["priority", 10, [null, "1", true]],
    ["update every", 11, [0, -1, 0.5, 3601, "1", null]],
    ["plugin", 12, [null, long]],
    ["module", 13, [null, long]],
    ["options", 14, [-1, 16, 0.5, "0", null]],
    ["dimension id", 15, [null, 1, long]],
    ["dimension name", 16, [1, long]],
    ["algorithm", 17, [-1, 4, "0", [1], null]],
    ["multiplier", 18, [0, -0, null, "1"]],
    ["divisor", 19, [0, null, "1"]],
    ["dimension options", 20, [-1, 8, null]],
    ["segment", 21, [-2, 65_001, 0.5, "0", null]],
    ["column", 22, [-1, 256, 0.5, "0", null]],
    ["since", 23, [-1, 0.5, "0", null]],
  ];
  test("the line itself is good", () => {
    expect(read(line(JSON.stringify(CHART))).charts.size).toBe(1);
  });
  test.each(cases)("%s", (_, at, values) => {
    for (const value of values) {
      const content = read(spoilt(CHART, at, value), chartLine(storedChart(5, [1]), 1));
      expect(chartsOf(content)).toEqual([storedChart(5, [1])]);
      expect(content.problems.map((problem) => problem.line)).toEqual([1]);
    }
  });

  const hostCases: [string, number, unknown[]][] = [
    ["version", 1, [0, -1, 0.5, "1", null]],
    ["machine GUID", 2, ["", "x", null, storedHost().machineGuid.toUpperCase()]],
    ["hostname", 3, [null, long]],
    ["update every", 5, [0, 3601, null]],
    ["history", 6, [0, -1, 1.5, null]],
    ["memory mode", 7, ["ram", "none", null]],
    ["hops", 8, [-1, null]],
    ["version text", 10, [null, long]],
    ["UTC offset", 13, [null, "0"]],
    ["tags", 14, [null, long]],
    ["last seen", 16, [-1, null]],
    ["system info", 17, [null, {}, ["a"], ["a", 1], [1, "a"], [long, "a"], Array(2 * SYSTEM_INFO_MAX + 2).fill("a")]],
  ];
  test.each(hostCases)("host: %s", (_, at, values) => {
    for (const value of values) {
      const content = read(spoilt(HOST, at, value), chartLine(storedChart(1, []), 1));
      expect(content.host).toBeNull();
      expect(content.charts.size).toBe(1);
      expect(content.problems.map((problem) => problem.line)).toEqual([1]);
    }
  });

  const texts = [
    "",
    "{}",
    "1",
    "[]",
    "[1]",
    '["unknown",1]',
    '["chart"]',
    '["gone"]',
    "[",
    "nonsense",
    "[".repeat(200_000),
    JSON.stringify(CHART.slice(0, -1)),
    JSON.stringify(CHART.slice(0, 14)),
    // 1e999 reads as infinite.
    JSON.stringify(CHART.with(10, "?")).replace('"?"', "1e999"),
    '["dims",5,2]',
  ].map((text) => ({ text, name: text.slice(0, 40) }));
  test.each(texts)("line $name", ({ text }) => {
    const content = read(chartLine(storedChart(5, [1]), 1), line(text), hostLine(storedHost()));
    expect(chartsOf(content)).toEqual([storedChart(5, [1])]);
    expect(content.host).toEqual(storedHost());
    expect(content.problems.map((problem) => problem.line)).toEqual([2]);
  });
});

describe("readCatalogue: damage", () => {
  const host = hostLine(storedHost());
  const chart = chartLine(storedChart(1, [0, 1]), 1);
  const more = dimensionsLine(1, 2, 2, storedDimensions([2], 2));
  const other = chartLine(storedChart(2, [9]), 1);

  test("a line in the middle costs that line alone", () => {
    const content = read(host, broken(chart), other);
    expect(chartsOf(content)).toEqual([storedChart(2, [9])]);
    expect(content.problems).toEqual([{ line: 2, reason: "checksum" }]);
    expect(content.totalBytes).toBe(host.length + chart.length + other.length);
  });

  test("a last line that is cut or broken is left to be cut off", () => {
    for (const rest of [more.subarray(0, -1), more.subarray(0, 5), broken(more), Buffer.alloc(4096)]) {
      const content = read(host, chart, rest);
      expect(chartsOf(content)).toEqual([storedChart(1, [0, 1])]);
      expect(content.problems).toEqual([{ line: 3, reason: "cut" }]);
      expect(content.totalBytes).toBe(host.length + chart.length);
    }
  });

  test("a newline that is damaged costs nothing", () => {
    const bytes = Buffer.concat([host, chart, other]);
    bytes[host.length - 1] = 0x20;
    bytes[bytes.length - 1] = 0x20;
    const content = readCatalogue(bytes);
    expect(content.charts.size).toBe(2);
    expect(content.host).not.toBeNull();
    expect(content.problems.map((problem) => problem.line)).toEqual([1, 3]);
    expect(content.totalBytes).toBe(bytes.length);
  });

  test("dims of an unknown chart, or behind a hole", () => {
    const hole = dimensionsLine(1, 2, 3, storedDimensions([4], 3));
    const content = read(host, more, chart, hole, more);
    expect(chartsOf(content)).toEqual([storedChart(1, [0, 1, 2])]);
    expect(content.problems).toEqual([
      { line: 2, reason: "dims 1: no such chart" },
      { line: 4, reason: "dims 1: dimensions before it are missing" },
    ]);
  });

  test("dims after a lost line of the same chart are no mixture with what was before", () => {
    const replacing = dimensionsLine(1, 3, 0, storedDimensions([7]));
    const content = read(chart, broken(more), replacing, goneLine(99));
    expect(chartsOf(content)).toEqual([storedChart(1, [0, 1])]);
    expect(content.problems.map((problem) => problem.line)).toEqual([2, 3]);
    expect(content.nextKey).toBe(100);
    // A whole chart puts all right again.
    expect(chartsOf(read(chart, broken(more), chartLine(storedChart(1, [5]), 3)))).toEqual([storedChart(1, [5])]);
  });

  test("a chart whose tombstone or move was lost gives way to the newer owner of its column or id", () => {
    const heir = storedChart(2, [1, 8]);
    const namesake = storedChart(3, [20], { definition: storedChart(1, []).definition });
    for (const [owner, reason] of [
      [heir, "a column of it has a newer owner"],
      [namesake, "its id has a newer owner"],
    ] as const) {
      const content = read(chart, broken(goneLine(1)), chartLine(owner, 1));
      expect(chartsOf(content)).toEqual([owner]);
      expect(content.problems.at(-1)).toEqual({ line: 1, reason: `chart 1 left out: ${reason}` });
      expect(content.staleKeys).toEqual([1]);
      expect(content.liveBytes).toBe(chartLine(owner, 1).length);
    }
    // Age is that of the last line, not of the key: here chart 2 was moved away, and chart 1 has its column since.
    const moved = [chartLine(storedChart(2, [1]), 1), chart];
    expect(chartsOf(read(...moved))).toEqual([storedChart(1, [0, 1])]);
  });

  test("a chart that is left out claims nothing", () => {
    const oldest = storedChart(1, [1]);
    const stale = storedChart(2, [1, 2]);
    const newest = storedChart(3, [2]);
    const content = read(...[oldest, stale, newest].map((each) => chartLine(each, 1)));
    expect(chartsOf(content)).toEqual([oldest, newest]);
  });

  test("a chart that contradicts itself is left out", () => {
    const twice = storedChart(1, [4, 4]);
    const twins = storedChart(3, [5, 6], { dimensions: [...storedDimensions([5]), ...storedDimensions([6])] });
    const content = read(chartLine(twice, 1), chartLine(twins, 1), other);
    expect(content.staleKeys).toEqual([3, 1]);
    expect(chartsOf(content)).toEqual([storedChart(2, [9])]);
  });

  test("a newer version is recognised and nothing is read", () => {
    for (const lines of [[], [host, chart]]) {
      const newer = line('["host",2,{"anything":"else"}]');
      const content = read(...lines, newer, other);
      expect(content.isNewer).toBe(true);
      expect(content.host).toBeNull();
      expect(content.charts.size).toBe(0);
      expect(content.problems).toHaveLength(1);
      expect(() => new Catalogue(new MemoryFiles(), PATH, content)).toThrow(BugError);
    }
  });

  test("problems are counted, and kept in a bounded number", () => {
    const content = readCatalogue(Buffer.alloc(1000, "\n"));
    expect(content.problemCount).toBe(1000);
    expect(content.problems).toHaveLength(100);
  });

  test("nothing", () => {
    const content = readCatalogue(new Uint8Array(0));
    expect(content).toMatchObject({
      host: null,
      nextKey: 1,
      problems: [],
      totalBytes: 0,
      liveBytes: 0,
      isNewer: false,
    });
  });
});

describe("Catalogue", () => {
  function open(files: MemoryFiles): Catalogue {
    return new Catalogue(files, PATH, readCatalogue(files.read(PATH) ?? Buffer.alloc(0)));
  }

  test("goes on where a file ends, without the rest of a cut line", () => {
    const files = new MemoryFiles();
    const first = chartLine(storedChart(1, [0]), 1);
    files.put(PATH, Buffer.concat([first, Buffer.from('["cha')]));
    using catalogue = open(files);
    expect(catalogue.nextKey).toBe(2);
    catalogue.putDimensions(1, 1, storedDimensions([1], 1));
    const content = readCatalogue(files.read(PATH)!);
    expect(content.problems).toEqual([]);
    expect(chartsOf(content)).toEqual([storedChart(1, [0, 1])]);
    expect(catalogue.bytes).toBe(files.read(PATH)!.length);
  });

  test("a chart that was read as out of date is told to be gone", () => {
    const files = new MemoryFiles();
    files.put(PATH, Buffer.concat([storedChart(1, [0]), storedChart(2, [0])].map((c) => chartLine(c, 1))));
    using catalogue = open(files);
    catalogue.removeChart(2);
    const content = readCatalogue(files.read(PATH)!);
    expect(content.charts.size).toBe(0);
    expect(content.problems).toEqual([]);
    expect(content.nextKey).toBe(3);
    expect(catalogue.liveBytes).toBe(0);
  });

  test("the file is open between writes only until it is closed", () => {
    const files = new MemoryFiles();
    const catalogue = new Catalogue(files, PATH);
    catalogue.sync();
    expect(files.paths).toHaveLength(0);
    catalogue.putHost(storedHost());
    expect(files.openCount).toBe(1);
    catalogue.close();
    expect(files.openCount).toBe(0);
    catalogue.sync();
    expect(files.syncs).toBe(1);
    catalogue[Symbol.dispose]();
    expect(files.openCount).toBe(0);
  });

  const faults: Fault[][] = [["write"], ["append"], ["write", "truncate"]];
  test.each(faults.map((fault) => [fault.join(", "), fault] as const))(
    "a failure of %s leaves no half line and the writer usable",
    (_, fault) => {
      for (const isOpen of [false, true]) {
        const files = new MemoryFiles();
        using catalogue = new Catalogue(files, PATH);
        catalogue.putChart(storedChart(1, [0]));
        const before = { bytes: catalogue.bytes, live: catalogue.liveBytes };
        if (!isOpen) catalogue.close();
        for (const name of fault) files.faults.add(name);
        const steps = [
          () => catalogue.putHost(storedHost()),
          () => catalogue.putChart(storedChart(2, [1])),
          () => catalogue.putChart(storedChart(1, [1])),
          () => catalogue.putDimensions(1, 1, storedDimensions([1], 1)),
          () => catalogue.removeChart(1),
        ];
        // An open file does not have to be opened.
        if (!(isOpen && fault[0] === "append")) for (const step of steps) expect(step).toThrow(AgentError);
        expect({ bytes: catalogue.bytes, live: catalogue.liveBytes }).toEqual(before);
        expect(catalogue.nextKey).toBe(2);
        expect(chartsOf(readCatalogue(files.read(PATH)!))).toEqual([storedChart(1, [0])]);
        if (!fault.includes("truncate")) expect(files.read(PATH)).toHaveLength(before.bytes);
        files.faults.clear();
        catalogue.putDimensions(1, 1, storedDimensions([1], 1));
        catalogue.putChart(storedChart(2, [2]));
        const content = readCatalogue(files.read(PATH)!);
        expect(content.problems).toEqual([]);
        expect(chartsOf(content)).toEqual([storedChart(1, [0, 1]), storedChart(2, [2])]);
        expect(content.liveBytes).toBe(catalogue.liveBytes);
      }
    },
  );

  /** A catalogue of which most is dead: charts 1 and 2 live, chart 3 gone. */
  function wasteful(files: MemoryFiles): Catalogue {
    const catalogue = new Catalogue(files, PATH);
    catalogue.putHost(storedHost());
    catalogue.putChart(storedChart(1, [0]));
    catalogue.putChart(storedChart(2, [1]));
    catalogue.putChart(storedChart(3, [2]));
    catalogue.removeChart(3);
    while (catalogue.bytes < 100_000) catalogue.putDimensions(1, 0, storedDimensions([0]));
    return catalogue;
  }

  test("is written anew when over half of it is dead, and goes on from there", () => {
    const files = new MemoryFiles();
    using catalogue = wasteful(files);
    const charts = [storedChart(1, [0]), storedChart(2, [1])];
    expect(catalogue.rewriteIfWorth(storedHost(), charts)).toBe(true);
    expect(files.syncs).toBe(1);
    expect(files.paths).toEqual([PATH]);
    expect(catalogue.bytes).toBe(files.read(PATH)!.length);
    expect(catalogue.bytes).toBeLessThan(2000);
    // The key of a chart that is gone stays used.
    expect(catalogue.nextKey).toBe(4);
    catalogue.putDimensions(2, 1, storedDimensions([5], 1));
    const content = readCatalogue(files.read(PATH)!);
    expect(content.problems).toEqual([]);
    expect(content.nextKey).toBe(4);
    expect(content.host).toEqual(storedHost());
    expect(chartsOf(content)).toEqual([storedChart(1, [0]), storedChart(2, [1, 5])]);
    expect(content.liveBytes).toBe(catalogue.liveBytes);
  });

  test("is left alone while it is small or most of it is of use", () => {
    const files = new MemoryFiles();
    using catalogue = new Catalogue(files, PATH);
    const never: Iterable<never> = {
      [Symbol.iterator]: () => {
        throw new Error("asked for charts");
      },
    };
    for (let i = 0; i < 9; i++) catalogue.putChart(storedChart(1, [0]));
    expect(catalogue.rewriteIfWorth(storedHost(), never)).toBe(false);
    for (let key = 2; catalogue.bytes < 100_000; key++) catalogue.putChart(storedChart(key, [0, 1, 2]));
    expect(catalogue.rewriteIfWorth(storedHost(), never)).toBe(false);
  });

  test.each<Fault>(["create", "write", "sync", "rename", "remove"])(
    "as before when writing anew fails at %s",
    (fault) => {
      const files = new MemoryFiles();
      using catalogue = wasteful(files);
      const before = files.read(PATH)!;
      const bytes = catalogue.bytes;
      files.faults.add(fault);
      if (fault === "remove") files.faults.add("rename");
      expect(() => catalogue.rewriteIfWorth(storedHost(), [storedChart(1, [0])])).toThrow(AgentError);
      files.faults.clear();
      expect(files.read(PATH)).toBe(before);
      expect(files.paths).toHaveLength(fault === "remove" ? 2 : 1);
      expect(catalogue.bytes).toBe(bytes);
      catalogue.putDimensions(2, 1, storedDimensions([5], 1));
      const content = readCatalogue(files.read(PATH)!);
      expect(content.problems).toEqual([]);
      expect(chartsOf(content)).toEqual([storedChart(1, [0]), storedChart(2, [1, 5])]);
    },
  );

  test("what breaks its rules is a bug", () => {
    using catalogue = new Catalogue(new MemoryFiles(), PATH);
    catalogue.putChart(storedChart(1, [0]));
    const wrong = [
      () => catalogue.putChart(storedChart(0, [1])),
      () => catalogue.putChart(storedChart(2, [256])),
      () => catalogue.putDimensions(2, 0, storedDimensions([1])),
      () => catalogue.putDimensions(1, 2, storedDimensions([1])),
      () => catalogue.putDimensions(1, 1, storedDimensions([1], 1, 65_001)),
    ];
    for (const step of wrong) expect(step).toThrow(BugError);
    catalogue.removeChart(9);
    catalogue.putDimensions(1, 1, []);
    expect(catalogue.liveBytes).toBe(catalogue.bytes);
  });
});
