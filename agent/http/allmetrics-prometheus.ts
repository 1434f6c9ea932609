import type { SimplePattern } from "../base/pattern.ts";
import { ByteBuffer } from "../format/byte-buffer.ts";
import { NUMBER_BYTES_MAX, writeFixed7, writeInteger } from "../format/number-text.ts";
import {
  cleanLabelName,
  cleanMetricPart,
  helpLine,
  labelSet,
  labelValue,
  typeLine,
  unitsSuffix,
} from "../format/prometheus.ts";
import type { Chart } from "../rrd/chart.ts";
import type { Algorithm, Dimension } from "../rrd/dimension.ts";
import type { Host } from "../rrd/host.ts";
import { type SpanSum, storedSpan, sumStored } from "../rrd/query-interval.ts";
import { collectedSec, latestCollected } from "../rrd/read.ts";
import type { Chunks } from "./reply.ts";
import type { HttpSources } from "./sources.ts";

export type MetricsSource = "average" | "sum" | "as-collected";

/** Parameters of a scrape (exporters.md §3.5). */
export interface MetricsOptions {
  readonly source: MetricsSource;
  readonly prefix: string;
  readonly useNames: boolean;
  readonly withTimestamps: boolean;
  readonly withHelp: boolean;
  readonly withTypes: boolean;
  readonly hideUnits: boolean;
  readonly oldUnits: boolean;
  readonly filter: SimplePattern;
  /** Every sample names its host. */
  readonly withInstance: boolean;
}

/** A host and the window `(afterSec, beforeSec]` that is asked for. */
export interface ScrapedHost {
  readonly host: Host;
  readonly afterSec: number;
  readonly beforeSec: number;
}

/** Charts, or single dimensions of them, that share a metric name. */
interface Family {
  readonly name: string;
  readonly type: "gauge" | "counter";
  readonly title: string;
  readonly members: Member[];
}

interface Member {
  readonly scraped: ScrapedHost;
  readonly chart: Chart;
  /** Position of the one dimension, or {@link ALL}. */
  readonly index: number;
  readonly withDimension: boolean;
}

/** Position that stands for "all dimensions of the chart". */
const ALL = -1;
const PIECE_BYTES = 65_536;
/** Charts looked at before others may run, well under 1 ms of work. */
const CHARTS_PER_PAUSE = 256;
const APPLICATION = "tributary";

const encoder = new TextEncoder();

/** Writes one scrape: samples of one name together, each with at most one HELP and TYPE line. */
export class AgentMetrics {
  private readonly out = new ByteBuffer(PIECE_BYTES);
  private readonly sum: SpanSum = { sum: 0, count: 0 };
  private readonly sources: HttpSources;
  private readonly options: MetricsOptions;
  private readonly nowMs: number;
  private readonly instances = new Map<Host, string>();

  /** @param nowMs wall clock of the scrape. */
  constructor(sources: HttpSources, options: MetricsOptions, nowMs: number) {
    this.sources = sources;
    this.options = options;
    this.nowMs = nowMs;
  }

  *write(hosts: readonly ScrapedHost[]): Chunks {
    this.nameInstances(hosts);
    for (const { host } of hosts) this.writeInfo(host);
    const families = new Map<string, Family>();
    let charts = 0;
    for (const scraped of hosts) {
      for (const chart of scraped.host.chartList()) {
        if (this.isWanted(chart)) this.addChart(families, scraped, chart);
        if (++charts % CHARTS_PER_PAUSE === 0) yield null;
      }
    }
    for (const family of families.values()) {
      yield* this.writeFamily(family);
    }
    yield this.out.take();
  }

  /** Hosts may share a name, samples may not share all their labels. */
  private nameInstances(hosts: readonly ScrapedHost[]): void {
    const taken = new Set<string>();
    for (const { host } of hosts) {
      const name = taken.has(host.hostname) ? `${host.hostname}-${host.machineGuid}` : host.hostname;
      taken.add(name);
      this.instances.set(host, name);
    }
  }

  private writeInfo(host: Host): void {
    const labels: [string, string][] = [
      ["instance", this.instances.get(host)!],
      ["application", host.isLocal ? APPLICATION : host.program || "unknown"],
      ["version", host.version || (host.isLocal ? this.sources.version : "")],
    ];
    for (const [name, value] of Object.entries(this.sources.agent.labels(host))) {
      const clean = cleanLabelName(name);
      if (!labels.some(([known]) => known === clean)) labels.push([clean, value]);
    }
    this.text(`netdata_info${labelSet(labels)} 1`);
    this.endSample(this.nowMs);
  }

  private isWanted(chart: Chart): boolean {
    if (!chart.isVisible || !this.options.filter.matches(this.options.useNames ? chart.definition.name : chart.id)) {
      return false;
    }
    return this.options.source === "as-collected" || chart.host.ring !== null;
  }

  /** Puts a chart, or each of its dimensions, under its metric name. */
  private addChart(families: Map<string, Family>, scraped: ScrapedHost, chart: Chart): void {
    const { source, prefix } = this.options;
    const base = `${prefix}_${cleanMetricPart(chart.definition.context)}`;
    if (source !== "as-collected") {
      const units = this.unitsOf(chart);
      add(families, `${base}${units}_${source}`, false, { scraped, chart, index: ALL, withDimension: true });
      return;
    }
    const { list } = chart.dimensions;
    if (list.every((dimension) => isAlike(dimension, list[0]!))) {
      const isCounter = countsUp(list[0]!.algorithm);
      add(families, base, isCounter, { scraped, chart, index: ALL, withDimension: true });
      return;
    }
    const taken = new Set<string>();
    list.forEach((dimension, index) => {
      const name = `${base}_${cleanMetricPart(this.options.useNames ? dimension.name : dimension.id)}`;
      // Names that only differ in what was cleaned away would make one series with two values.
      add(families, name, countsUp(dimension.algorithm), { scraped, chart, index, withDimension: taken.has(name) });
      taken.add(name);
    });
  }

  private unitsOf(chart: Chart): string {
    const { source, hideUnits, oldUnits } = this.options;
    return source !== "average" || hideUnits ? "" : unitsSuffix(chart.definition.units, oldUnits);
  }

  private *writeFamily({ name, type, title, members }: Family): Chunks {
    const start = this.out.length;
    if (this.options.withHelp && title !== "") this.text(helpLine(name, title));
    if (this.options.withTypes) this.text(typeLine(name, type));
    const head = this.out.length;
    let isEmpty = true;
    for (let i = 0; i < members.length; i++) {
      const before = this.out.length;
      this.writeMember(name, members[i]!);
      if (this.out.length > before) isEmpty = false;
      if (this.out.length >= PIECE_BYTES && !isEmpty) yield this.out.take();
      else if (i % CHARTS_PER_PAUSE === CHARTS_PER_PAUSE - 1) yield null;
    }
    // A name without samples is not announced.
    if (isEmpty && this.out.length === head) this.out.length = start;
  }

  private writeMember(name: string, { scraped, chart, index, withDimension }: Member): void {
    // The host may have been forgotten since the answer began.
    if (this.sources.database.host(scraped.host.machineGuid) !== scraped.host) return;
    const { list } = chart.dimensions;
    const labels = this.chartLabels(scraped.host, chart);
    const names = this.options.useNames ? distinctNames(list) : list.map((dimension) => dimension.id);
    const [from, to] = index === ALL ? [0, list.length] : [index, Math.min(index + 1, list.length)];
    for (let i = from!; i < to!; i++) {
      const dimension = withDimension ? `,dimension=${labelValue(names[i]!)}` : "";
      const text = `${name}{${labels.before}${dimension}${labels.after}} `;
      if (this.options.source === "as-collected") this.writeCollected(text, scraped, chart, i);
      else this.writeStored(text, scraped, chart, i);
    }
  }

  private chartLabels(host: Host, chart: Chart): { before: string; after: string } {
    const { name, family } = chart.definition;
    const shown = this.options.useNames ? name : chart.id;
    return {
      before: `chart=${labelValue(shown)},family=${labelValue(family)}`,
      after: this.options.withInstance ? `,instance=${labelValue(this.instances.get(host)!)}` : "",
    };
  }

  private writeStored(text: string, { afterSec, beforeSec }: ScrapedHost, chart: Chart, index: number): void {
    const span = storedSpan(chart, afterSec, beforeSec);
    if (span === null) return;
    const { sum, count } = sumStored(chart, index, span, this.sum);
    if (count === 0) return;
    this.text(text);
    const { out } = this;
    out.reserve(NUMBER_BYTES_MAX);
    out.length = writeFixed7(out.bytes, out.length, this.options.source === "sum" ? sum : sum / count);
    this.endSample(span.toSec * 1000);
  }

  private writeCollected(text: string, { afterSec }: ScrapedHost, chart: Chart, index: number): void {
    const value = latestCollected(chart, index);
    const timeSec = collectedSec(chart, index);
    if (value === undefined || timeSec < afterSec) return;
    this.text(text);
    const { out } = this;
    out.reserve(NUMBER_BYTES_MAX);
    out.length = writeInteger(out.bytes, out.length, value);
    const chartMs = Math.floor(chart.lastCollectedUs / 1000);
    this.endSample(Math.floor(chartMs / 1000) === timeSec ? chartMs : timeSec * 1000);
  }

  private endSample(timeMs: number): void {
    const { out } = this;
    if (this.options.withTimestamps) {
      this.text(" ");
      out.reserve(NUMBER_BYTES_MAX);
      out.length = writeInteger(out.bytes, out.length, timeMs);
    }
    this.text("\n");
  }

  private text(text: string): void {
    const { out } = this;
    out.reserve(3 * text.length);
    out.length += encoder.encodeInto(text, out.bytes.subarray(out.length)).written;
  }
}

/** Two dimensions of one name would be one series with two values: such a dimension goes by its id. */
function distinctNames(list: readonly Dimension[]): string[] {
  const ids = new Set(list.map((dimension) => dimension.id));
  const taken = new Set<string>();
  return list.map(({ id, name }) => {
    if (id === name) return id;
    if (ids.has(name) || taken.has(name)) return id;
    taken.add(name);
    return name;
  });
}

function add(families: Map<string, Family>, base: string, isCounter: boolean, member: Member): void {
  const name = isCounter ? `${base}_total` : base;
  const known = families.get(name);
  if (known !== undefined) {
    known.members.push(member);
    return;
  }
  const { title } = member.chart.definition;
  families.set(name, { name, type: isCounter ? "counter" : "gauge", title, members: [member] });
}

function isAlike(a: Dimension, b: Dimension): boolean {
  return a.algorithm === b.algorithm && a.multiplier === b.multiplier && a.divisor === b.divisor;
}

function countsUp(algorithm: Algorithm): boolean {
  return algorithm === "incremental" || algorithm === "percentage-of-incremental-row";
}
