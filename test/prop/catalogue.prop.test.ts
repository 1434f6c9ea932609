import { expect, test } from "bun:test";
import fc from "fast-check";
import { AgentError } from "../../agent/base/errors.ts";
import type { ChartDefinition } from "../../agent/rrd/chart.ts";
import type { Algorithm, Dimension } from "../../agent/rrd/dimension.ts";
import { Catalogue } from "../../agent/rrd/store/catalogue.ts";
import type { StoredChart, StoredDimension, StoredHost } from "../../agent/rrd/store/catalogue-format.ts";
import { type CatalogueContent, readCatalogue } from "../../agent/rrd/store/catalogue-read.ts";
import { chartDefinition, type Fault, MemoryFiles, storedHost } from "../catalogue-world.ts";
import { IS_SOAK, SeededRandom, TEST_SEED } from "../seeded-random.ts";
import { dimension } from "../simulated-host.ts";

const PATH = "catalog.jsonl";
const RUNS = IS_SOAK ? 20_000 : 300;
const DAMAGE_RUNS = IS_SOAK ? 300 : 6;
const STEPS = 60;
/** Few, so that columns go from chart to chart. */
const SEGMENTS = 2;
const COLUMNS = 12;
const TEXTS = ["", "plain", "tab\there", 'quote"\\', "line\nbreak", "żółw \u{1f422}", "\ud800", "x".repeat(100)];
const ALGORITHMS: Algorithm[] = [
  "absolute",
  "incremental",
  "percentage-of-absolute-row",
  "percentage-of-incremental-row",
];

/** A host in miniature: puts, moves and removes charts by its catalogue and keeps all that it ever told of each. */
class Twin {
  readonly files = new MemoryFiles();
  catalogue = new Catalogue(this.files, PATH);
  host: StoredHost | null = null;
  readonly charts = new Map<number, StoredChart>();
  /** Every state of every chart, by key. */
  readonly versions = new Map<number, StoredChart[]>();
  private readonly random: SeededRandom;
  private readonly canRewrite: boolean;
  private readonly free = Array.from({ length: SEGMENTS * COLUMNS }, (_, index) => index);
  private nextKey = 1;
  private nextId = 0;

  constructor(random: SeededRandom, canRewrite = true) {
    this.random = random;
    this.canRewrite = canRewrite;
  }

  step(): void {
    const dice = this.random.below(100);
    if (dice < 8) this.putHost();
    else if (dice < 35) this.addChart();
    else if (dice < 60) this.putDimensions();
    else if (dice < 75) this.putAgain();
    else if (dice < 85) this.remove();
    else if (dice < 90) this.catalogue.close();
    else if (dice < 95) this.reopen();
    else this.rewrite();
  }

  /** The same step fails first, with nothing changed, in some cases. */
  private attempt(faults: readonly Fault[], action: () => void): void {
    if (this.random.chance(20)) {
      for (const fault of faults) if (this.random.chance(60)) this.files.faults.add(fault);
      try {
        action();
        return;
      } catch (error) {
        if (!(error instanceof AgentError)) throw error;
      } finally {
        this.files.faults.clear();
      }
    }
    action();
  }

  private putHost(): void {
    const systemInfo = new Map([[this.text(), this.text()]]);
    const host = storedHost({ hostname: this.text(), tags: this.text(), hops: this.random.below(3), systemInfo });
    this.attempt(["append", "write", "truncate"], () => this.catalogue.putHost(host));
    this.host = host;
  }

  private addChart(): void {
    expect(this.catalogue.nextKey).toBe(this.nextKey);
    const key = this.nextKey++;
    // A retired id may come back under a new key.
    const id = `test.${this.nextId++ % 10}`;
    if ([...this.charts.values()].some((chart) => chart.definition.id === id)) this.putUnnamed(key);
    else this.put({ key, definition: this.definition(id), isObsolete: false, dimensions: this.dimensions(0, 3) });
  }

  private putUnnamed(key: number): void {
    this.put({ key, definition: this.definition(`only.${key}`), isObsolete: this.random.chance(30), dimensions: [] });
  }

  private putAgain(): void {
    const chart = this.anyChart();
    if (chart === null) return;
    const isMoved = this.random.chance(50);
    if (isMoved) this.release(chart.dimensions);
    const dimensions = isMoved ? this.dimensions(0, 4) : chart.dimensions;
    const definition = this.definition(chart.definition.id);
    this.put({ key: chart.key, definition, isObsolete: this.random.chance(30), dimensions });
  }

  private put(chart: StoredChart): void {
    this.attempt(["append", "write", "truncate"], () => this.catalogue.putChart(chart));
    this.keep(chart);
  }

  private putDimensions(): void {
    const chart = this.anyChart();
    if (chart === null) return;
    const first = this.random.below(chart.dimensions.length + 1);
    // Ids stay unique: a position always has the same one.
    const added = this.dimensions(first, 2);
    this.release(chart.dimensions.slice(first, first + added.length));
    this.attempt(["append", "write", "truncate"], () => this.catalogue.putDimensions(chart.key, first, added));
    if (added.length === 0) return;
    const dimensions = [...chart.dimensions.slice(0, first), ...added, ...chart.dimensions.slice(first + added.length)];
    this.keep({ ...chart, dimensions });
  }

  private remove(): void {
    const chart = this.anyChart();
    if (chart === null) return;
    this.attempt(["append", "write", "truncate"], () => this.catalogue.removeChart(chart.key));
    this.charts.delete(chart.key);
    this.release(chart.dimensions);
  }

  private reopen(): void {
    this.catalogue[Symbol.dispose]();
    const content = this.check();
    this.catalogue = new Catalogue(this.files, PATH, content);
  }

  private rewrite(): void {
    if (this.host === null || !this.canRewrite) return;
    const host = this.host;
    this.attempt(["create", "write", "sync", "rename"], () => this.catalogue.rewrite(host, this.charts.values()));
  }

  /** What is read is what was put. */
  check(): CatalogueContent {
    const bytes = this.files.read(PATH) ?? Buffer.alloc(0);
    const content = readCatalogue(bytes);
    expect(content.problems).toEqual([]);
    expect(content.host).toEqual(this.host);
    expect([...content.charts]).toEqual([...this.charts]);
    expect(content.totalBytes).toBe(bytes.length);
    expect(this.catalogue.bytes).toBe(bytes.length);
    expect(this.catalogue.liveBytes).toBe(content.liveBytes);
    expect(content.nextKey).toBe(this.nextKey);
    return content;
  }

  private keep(chart: StoredChart): void {
    this.charts.set(chart.key, chart);
    const versions = this.versions.get(chart.key) ?? [];
    versions.push(chart);
    this.versions.set(chart.key, versions);
  }

  private anyChart(): StoredChart | null {
    return this.charts.size === 0 ? null : this.random.pick([...this.charts.values()]);
  }

  /** Up to `max` dimensions in free columns. */
  private dimensions(first: number, max: number): StoredDimension[] {
    const count = Math.min(this.random.below(max + 1), this.free.length);
    return Array.from({ length: count }, (_, index) => {
      const [place = 0] = this.free.splice(this.random.below(this.free.length), 1);
      return {
        dimension: this.dimension(`d${first + index}`),
        segment: Math.floor(place / COLUMNS),
        sinceSec: place,
        column: place % COLUMNS,
      };
    });
  }

  private release(dimensions: readonly StoredDimension[]): void {
    for (const { segment, column } of dimensions) this.free.push(segment * COLUMNS + column);
  }

  private definition(id: string): ChartDefinition {
    return chartDefinition(id, {
      name: this.random.chance(50) ? id : `test.${this.text()}`,
      title: this.text(),
      chartType: this.random.pick(["line", "area", "stacked"]),
      priority: this.random.below(2000) - 1000,
      updateEverySec: 1 + this.random.below(3600),
      detail: this.random.chance(20),
      hidden: this.random.chance(20),
      storeFirst: this.random.chance(20),
    });
  }

  private dimension(id: string): Dimension {
    return dimension(id, this.random.pick(ALGORITHMS), {
      name: this.random.chance(50) ? id : this.text(),
      multiplier: this.random.pick([1, -8, 1024, 2 ** 63, 0.1]),
      divisor: this.random.pick([1, 1000, -(2 ** 63)]),
      hidden: this.random.chance(20),
      noReset: this.random.chance(20),
      obsolete: this.random.chance(20),
    });
  }

  private text(): string {
    return this.random.pick(TEXTS);
  }
}

const seeds = fc.integer();

test("what is put is read, however it is put, closed, opened, written anew and disturbed", () => {
  const property = fc.property(seeds, (seed) => {
    const twin = new Twin(new SeededRandom(seed));
    for (let step = 0; step < STEPS; step++) {
      twin.step();
      if (step % 10 === 0) twin.check();
    }
    twin.check();
    twin.catalogue[Symbol.dispose]();
    expect(twin.files.openCount).toBe(0);
  });
  fc.assert(property, { numRuns: RUNS, seed: TEST_SEED });
});

/** One line of a file: where it is, and whose chart it speaks of (0 = of none). */
interface Line {
  start: number;
  end: number;
  key: number;
}

function linesOf(bytes: Buffer): Line[] {
  const lines: Line[] = [];
  for (let start = 0; start < bytes.length; start = lines.at(-1)!.end) {
    const tab = bytes.indexOf("\t", start);
    const [kind, key] = JSON.parse(bytes.toString("utf8", start, tab)) as [string, number];
    lines.push({ start, end: tab + 10, key: kind === "host" ? 0 : key });
  }
  return lines;
}

/** Each chart is one that was put under its key; those that were not touched are all there, as they are now. */
function checkDamaged(twin: Twin, content: CatalogueContent, touched: ReadonlySet<number>): void {
  const owned = [...content.charts.values()].flatMap(({ definition, dimensions }) => [
    definition.id,
    ...dimensions.map(({ segment, column }) => `column ${segment}.${column}`),
  ]);
  if (new Set(owned).size < owned.length) throw new Error(`something has two owners: ${owned}`);
  for (const [key, chart] of content.charts) {
    const isKnown = twin.versions.get(key)?.some((version) => Bun.deepEquals(version, chart)) === true;
    if (!isKnown) throw new Error(`chart ${key} was never put like this: ${JSON.stringify(chart)}`);
  }
  for (const [key, chart] of twin.charts) {
    if (touched.has(key) || Bun.deepEquals(content.charts.get(key), chart)) continue;
    throw new Error(`chart ${key} was not touched and is lost: ${JSON.stringify(content.problems)}`);
  }
}

/** A file without a rewrite, so that it holds the whole life of its charts. */
function lifeOf(seed: number): { twin: Twin; bytes: Buffer; lines: Line[] } {
  const twin = new Twin(new SeededRandom(seed), false);
  for (let step = 0; step < 40; step++) twin.step();
  twin.check();
  const bytes = Buffer.from(twin.files.read(PATH) ?? []);
  return { twin, bytes, lines: linesOf(bytes) };
}

test("a byte that was changed harms no chart but its own, and never makes a chart that was not", () => {
  const property = fc.property(seeds, fc.integer({ min: 1, max: 255 }), (seed, mask) => {
    const { twin, bytes, lines } = lifeOf(seed);
    for (const { start, end, key } of lines) {
      for (let at = start; at < end; at++) {
        bytes[at]! ^= mask;
        const content = readCatalogue(bytes);
        if (content.problemCount === 0) throw new Error(`the change at ${at} was not seen`);
        checkDamaged(twin, content, new Set([key]));
        bytes[at]! ^= mask;
      }
    }
  });
  fc.assert(property, { numRuns: DAMAGE_RUNS, seed: TEST_SEED });
});

test("a file cut anywhere reads as its whole lines, and the writer goes on from there", () => {
  const property = fc.property(seeds, (seed) => {
    const { twin, bytes, lines } = lifeOf(seed);
    let line = 0;
    for (let length = 0; length <= bytes.length; length++) {
      while (line < lines.length && lines[line]!.end <= length) line++;
      const content = readCatalogue(bytes.subarray(0, length));
      const whole = line === 0 ? 0 : lines[line - 1]!.end;
      expect(content.totalBytes).toBe(whole);
      expect(content.problems.map(({ reason }) => reason)).toEqual(length > whole ? ["cut"] : []);
      checkDamaged(twin, content, new Set(lines.slice(line).map(({ key }) => key)));
      if (length % 50 !== 0) continue;
      const files = new MemoryFiles();
      files.put(PATH, bytes.subarray(0, length));
      using catalogue = new Catalogue(files, PATH, content);
      catalogue.putHost(storedHost());
      expect(readCatalogue(files.read(PATH)!).problems).toEqual([]);
    }
  });
  fc.assert(property, { numRuns: DAMAGE_RUNS, seed: TEST_SEED });
});

test("any lines may be missing: never a chart that was not", () => {
  const property = fc.property(seeds, (seed) => {
    const random = new SeededRandom(seed);
    const { twin, bytes, lines } = lifeOf(seed);
    for (let round = 0; round < 100 && lines.length > 0; round++) {
      const lost = new Set([random.pick(lines), random.pick(lines), random.pick(lines)]);
      const kept = lines.filter((line) => !lost.has(line)).map(({ start, end }) => bytes.subarray(start, end));
      checkDamaged(twin, readCatalogue(Buffer.concat(kept)), new Set([...lost].map(({ key }) => key)));
    }
  });
  fc.assert(property, { numRuns: RUNS / 10, seed: TEST_SEED });
});

test("any bytes are read without an error", () => {
  const pieces = ["\t", "\n", "[", '["chart",1,1,"a.b"]', '["dims",1,2,0]', '["gone",1]', "00000000", "\0"];
  const signed = pieces.map((text) => `${text}\t${Bun.hash.crc32(text).toString(16).padStart(8, "0")}\n`);
  const part = fc.oneof(
    fc.constantFrom(...pieces, ...signed).map((text) => Buffer.from(text)),
    fc.uint8Array(),
  );
  const property = fc.property(fc.array(part, { maxLength: 40 }), (parts) => {
    const bytes = Buffer.concat(parts);
    const content = readCatalogue(bytes);
    expect(content.charts.size).toBe(0);
    expect(content.totalBytes).toBeLessThanOrEqual(bytes.length);
    // What is kept reads the same without the rest.
    expect(readCatalogue(bytes.subarray(0, content.totalBytes)).nextKey).toBe(content.nextKey);
  });
  fc.assert(property, { numRuns: RUNS * 10, seed: TEST_SEED });
});
