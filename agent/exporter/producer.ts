import type { Clock, Timer } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { SimplePattern } from "../base/pattern.ts";
import type { ChartFacts, ChartWriter, PointFormat } from "../format/point-format.ts";
import type { Chart } from "../rrd/chart.ts";
import type { Database } from "../rrd/database.ts";
import type { Host } from "../rrd/host.ts";
import type { Batch } from "./batch.ts";
import { BatchWriter } from "./batch-writer.ts";
import { ChartCursor, type ExportTimes } from "./chart-cursor.ts";
import { alignDown } from "./window.ts";

/** CPU of the current thread, µs since it began. */
export type ThreadCpu = () => { user: number; system: number };

/** What an interval made. */
export interface RoundSummary {
  readonly round: number;
  readonly points: number;
  readonly skipped: number;
  /** This taker's share of the CPU, µs. */
  readonly userUs: number;
  readonly systemUs: number;
}

/** Takes the batches of a {@link Producer}: one exporter. */
export interface BatchSink {
  /** Size at which batches are cut for it. */
  readonly batchBytesMax: number;
  /** An interval begins: what comes next is live. */
  roundStarted(round: number): void;
  accept(batch: Batch): void;
  roundEnded(summary: RoundSummary): void;
}

/** What is exported, and how it is written; exporters that agree in all of it share one producer. */
export interface ProducerSettings extends ExportTimes {
  readonly sendCharts: SimplePattern;
  /** The local host is matched as `localhost`. */
  readonly sendHosts: SimplePattern;
  readonly useNames: boolean;
  /** Name of the local host; empty = its own. */
  readonly hostname: string;
  readonly tags: ChartFacts["tags"];
  /** Tags of the local host besides. */
  readonly localTags: ChartFacts["tags"];
  /** 0 = no limit. */
  readonly batchPoints: number;
  /** Seconds, 0 … everySec − 1: due when `now mod everySec` is this. */
  readonly phaseSec: number;
  /** Part of the second at which it runs, ms: away from the moment at which everything is collected. */
  readonly offsetMs: number;
}

export interface ProducerParts {
  database: Database;
  format: PointFormat;
  clock: Clock;
  log: Log;
  threadCpu: ThreadCpu;
}

/** Formatting never holds up the agent for longer than this and the rest of one chart. */
const SLICE_MS = 5;
/** A clock that was set back is noticed within this time. */
const WAIT_MS_MAX = 60_000;

/** Reads the database every `everySec` and gives the points of each interval to its sinks, in batches. */
export class Producer {
  /** Who takes the batches; may be replaced at any time. */
  sinks: readonly BatchSink[] = [];
  private readonly parts: ProducerParts;
  private readonly settings: ProducerSettings;
  private readonly writer: BatchWriter;
  private readonly hosts = new Map<Host, HostExport>();
  private readonly localTags: ChartFacts["tags"];
  private timer: Timer | null = null;
  /** The interval being worked on. */
  private work: Generator<void> | null = null;
  private tickSec: number;
  private round = 0;
  private skipped = 0;
  private userUs = 0;
  private systemUs = 0;

  constructor(parts: ProducerParts, settings: ProducerSettings) {
    this.parts = parts;
    this.settings = settings;
    this.localTags = mergeTags(settings.tags, settings.localTags);
    this.writer = new BatchWriter(0, settings.batchPoints, (batch) => {
      for (const sink of this.sinks) sink.accept(batch);
    });
    this.tickSec = this.dueSec();
    this.schedule();
  }

  /** Where a producer that takes this one's place has to start. */
  get continuesAtSec(): number {
    return this.round === 0 ? this.settings.startSec : this.tickSec;
  }

  /** Stops between two charts; an interval half done gives what it has. */
  stop(): void {
    this.timer?.[Symbol.dispose]();
    this.timer = null;
    if (this.work !== null) this.endRound();
    this.sinks = [];
  }

  /** The newest second at which an interval was due. */
  private dueSec(): number {
    const { everySec, phaseSec, offsetMs } = this.settings;
    const nowSec = Math.floor(this.parts.clock.nowUs() / 1e6 - offsetMs / 1000);
    return alignDown(nowSec - phaseSec, everySec) + phaseSec;
  }

  private schedule(): void {
    const { clock } = this.parts;
    const nextUs = (this.dueSec() + this.settings.everySec) * 1e6 + this.settings.offsetMs * 1000;
    const waitMs = Math.ceil((nextUs - clock.nowUs()) / 1000);
    this.timer = clock.setTimer(Math.min(Math.max(1, waitMs), WAIT_MS_MAX), () => this.wake());
  }

  private wake(): void {
    const dueSec = this.dueSec();
    if (dueSec === this.tickSec) {
      this.schedule();
      return;
    }
    this.tickSec = dueSec;
    this.round++;
    this.skipped = 0;
    this.userUs = 0;
    this.systemUs = 0;
    this.writer.bytesMax = Math.min(...this.sinks.map((sink) => sink.batchBytesMax));
    this.writer.begin(this.round);
    for (const sink of this.sinks) sink.roundStarted(this.round);
    this.work = this.charts();
    this.step();
  }

  /** One slice of the interval. */
  private step(): void {
    const { clock, threadCpu } = this.parts;
    const work = this.work;
    if (work === null) return;
    const before = threadCpu();
    const endMs = clock.monotonicMs() + SLICE_MS;
    let isDone = false;
    do isDone = work.next().done === true;
    while (!isDone && clock.monotonicMs() < endMs);
    const after = threadCpu();
    this.userUs += after.user - before.user;
    this.systemUs += after.system - before.system;
    if (isDone) {
      this.endRound();
      this.schedule();
    } else this.timer = clock.setTimer(0, () => this.step());
  }

  private endRound(): void {
    this.work = null;
    this.writer.end();
    const { round, skipped } = this;
    const share = Math.max(1, this.sinks.length);
    const userUs = this.userUs / share;
    const systemUs = this.systemUs / share;
    for (const sink of this.sinks) {
      sink.roundEnded({ round, points: this.writer.roundPoints, skipped, userUs, systemUs });
    }
  }

  /** Writes chart after chart; between two of them the database may change. */
  private *charts(): Generator<void> {
    const { database } = this.parts;
    for (const host of this.hosts.keys()) if (database.host(host.machineGuid) !== host) this.hosts.delete(host);
    for (const host of database.hosts) {
      const state = this.hostExport(host);
      if (!state.isSent) continue;
      this.renameHost(state);
      for (let index = 0; index < host.charts.length; index++) {
        if (database.host(host.machineGuid) !== host) break;
        const chart = host.charts[index];
        if (chart === null || chart === undefined) continue;
        this.writeChart(state, chart);
        yield;
      }
    }
  }

  private writeChart(state: HostExport, chart: Chart): void {
    let cursor = state.cursors[chart.index];
    if (cursor?.chart !== chart) {
      cursor = new ChartCursor(chart);
      state.cursors[chart.index] = cursor;
    }
    cursor.refresh(state.prepare);
    const { jumps } = cursor;
    this.skipped += cursor.write(this.settings, this.tickSec, this.writer);
    if (cursor.jumps === jumps) return;
    // The first field is the subject: one line a host, however many charts it has.
    this.parts.log.warn("exporter.clock_set_back", { host: state.host.hostname, now: chart.lastEntrySec });
  }

  /** Whether a host is sent is decided once, when it is first seen. */
  private hostExport(host: Host): HostExport {
    const known = this.hosts.get(host);
    if (known !== undefined) return known;
    const { sendHosts, source } = this.settings;
    const isMatching = sendHosts.matches(host.isLocal ? "localhost" : host.hostname);
    const state: HostExport = {
      host,
      isSent: isMatching && (host.memoryMode !== "none" || source === "as collected"),
      hostname: this.sentName(host),
      cursors: [],
      prepare: (chart) => this.prepare(state, chart),
    };
    this.hosts.set(host, state);
    return state;
  }

  private renameHost(state: HostExport): void {
    const hostname = this.sentName(state.host);
    if (hostname === state.hostname) return;
    state.hostname = hostname;
    for (const cursor of state.cursors) cursor?.forgetNames();
  }

  private sentName(host: Host): string {
    return host.isLocal && this.settings.hostname !== "" ? this.settings.hostname : host.hostname;
  }

  private prepare(state: HostExport, chart: Chart): ChartWriter | null {
    const { sendCharts, useNames } = this.settings;
    const { id, name } = chart.definition;
    if (!sendCharts.matches(id) && !sendCharts.matches(name)) return null;
    return this.parts.format.chart({
      hostname: state.hostname,
      tags: state.host.isLocal ? this.localTags : this.settings.tags,
      chart: useNames ? name : id,
      dimensions: chart.dimensions.list,
      hasSharedDimensions: chart.dimensions.isShared,
    });
  }
}

/** A host as this producer sends it. */
interface HostExport {
  readonly host: Host;
  readonly isSent: boolean;
  hostname: string;
  /** By {@link Chart.index}. */
  readonly cursors: (ChartCursor | undefined)[];
  readonly prepare: (chart: Chart) => ChartWriter | null;
}

/** Tags of both lists; of two with one key the first wins. */
function mergeTags(first: ChartFacts["tags"], second: ChartFacts["tags"]): ChartFacts["tags"] {
  return [...new Map([...second, ...first])];
}
