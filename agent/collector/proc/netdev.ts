import { lineEnd, splitFields } from "../../base/fields.ts";
import type { ProcFile } from "../../base/proc-file.ts";
import type { Collector, CollectorContext, CollectorModule } from "../collector.ts";
import { ExactSum } from "../exact-sum.ts";
import { LazyChart } from "../lazy-chart.ts";
import { RowCache, type RowObject } from "../row-cache.ts";
import { InterfaceState } from "../sys/interface-state.ts";
import { COUNTER_CHARTS, NET_COUNTERS, netChartSpec, RECEIVED_BYTES, SENT_BYTES, SYSTEM_NET } from "./net-charts.ts";

/** Interfaces followed; a full Kubernetes node has one for each of its few hundred pods. */
const INTERFACES_MAX = 2048;
/** Interfaces whose five attributes keep their descriptors; the others open them for each read. */
const KEPT_OPEN_MAX = 64;
const COLON = 0x3a;

/** Every interface of /proc/net/dev with its state from /sys/class/net, and the sum of the real ones. */
export const netdev: CollectorModule = {
  name: "netdev",
  everySecMin: 1,
  excludeDefault: "lo fireqos* *-ifb fwpr* fwbr* fwln*",
  start: (context) => new Netdev(context),
};

class Netdev implements Collector {
  private readonly context: CollectorContext;
  private readonly file: ProcFile;
  private readonly rows: RowCache<Interface>;
  private readonly total: LazyChart;
  private readonly received = new ExactSum();
  private readonly sent = new ExactSum();
  private readonly spans = new Int32Array(2 * NET_COUNTERS);

  constructor(context: CollectorContext) {
    const { files, log } = context;
    this.context = context;
    this.total = new LazyChart(context, SYSTEM_NET);
    this.rows = new RowCache("interfaces", INTERFACES_MAX, log, (name) => this.createInterface(name));
    // Below a prefix `net` is the network namespace of this process; the host's is that of process 1.
    this.file = files.openProc(files.prefix !== "" && files.exists("/proc/1/net/dev") ? "1/net/dev" : "net/dev");
  }

  collect(nowUs: number): void {
    const length = this.file.readSome();
    const { bytes } = this.file;
    this.received.reset();
    this.sent.reset();
    this.rows.begin();
    for (let start = 0; start < length; ) {
      const end = lineEnd(bytes, start, length);
      this.collectLine(bytes, start, end, nowUs);
      start = end + 1;
    }
    this.rows.end();
    this.received.setOn(this.total, 0);
    this.sent.setOn(this.total, 1);
    this.total.commit(nowUs);
  }

  [Symbol.dispose](): void {
    this.file[Symbol.dispose]();
    for (const link of this.rows.objects()) link[Symbol.dispose]();
  }

  private collectLine(bytes: Buffer, start: number, end: number, nowUs: number): void {
    const known = this.rows.predict(bytes, start);
    if (known?.isLeftOut) return;
    const link = known ?? this.lookup(bytes, start, end);
    if (link === undefined || link.isLeftOut) return;
    const { spans } = this;
    if (splitFields(bytes, start + link.prefixBytes, end, spans) < NET_COUNTERS || !areNumbers(bytes, spans)) {
      link.reportLine(bytes.toString("latin1", start, end));
      return;
    }
    if (!link.isVirtual) {
      this.received.addText(bytes, spans[2 * RECEIVED_BYTES]!, spans[2 * RECEIVED_BYTES + 1]!);
      this.sent.addText(bytes, spans[2 * SENT_BYTES]!, spans[2 * SENT_BYTES + 1]!);
    }
    link.collect(bytes, spans, nowUs);
  }

  /** The two lines of the heading have no colon. */
  private lookup(bytes: Buffer, start: number, end: number): Interface | undefined {
    const colon = bytes.subarray(start, end).lastIndexOf(COLON);
    if (colon < 0) return undefined;
    const name = bytes.toString("utf8", start, start + colon).trim();
    if (name === "") return undefined;
    const link = this.rows.lookup(name, bytes, start, start + colon + 1);
    if (link !== undefined) link.prefixBytes = colon + 1;
    return link;
  }

  private createInterface(name: string): Interface {
    const { files, settings } = this.context;
    const isVirtual = files.exists(`/sys/devices/virtual/net/${name}`);
    const isLeftOut = settings.isExcluded(name);
    return new Interface(this.context, name, isVirtual, isLeftOut, this.rows.size < KEPT_OPEN_MAX);
  }
}

/** One line of /proc/net/dev and its charts. */
class Interface implements RowObject, Disposable {
  readonly isVirtual: boolean;
  /** Not collected at all. */
  readonly isLeftOut: boolean;
  /** From the start of the line to the byte behind the colon. */
  prefixBytes = 0;
  private readonly context: CollectorContext;
  private readonly charts: readonly LazyChart[];
  private readonly state: InterfaceState;
  private speedKbit = Number.NaN;
  private isReported = false;

  constructor(context: CollectorContext, name: string, isVirtual: boolean, isLeftOut: boolean, keepsOpen: boolean) {
    this.context = context;
    this.isVirtual = isVirtual;
    this.isLeftOut = isLeftOut;
    this.charts = COUNTER_CHARTS.map((chart) => new LazyChart(context, netChartSpec(chart, name, isVirtual)));
    this.state = new InterfaceState(context, name, isVirtual, keepsOpen);
  }

  /** @param spans of the 16 numbers. */
  collect(bytes: Buffer, spans: Int32Array, nowUs: number): void {
    for (let i = 0; i < this.charts.length; i++) {
      const chart = this.charts[i]!;
      const { counters } = COUNTER_CHARTS[i]!;
      for (let j = 0; j < counters.length; j++) {
        const slot = 2 * counters[j]!;
        chart.setText(j, bytes, spans[slot]!, spans[slot + 1]!);
      }
      chart.commit(nowUs);
    }
    this.state.collect(nowUs);
    this.announceSpeed();
  }

  /** Says once that the line is not understood. */
  reportLine(line: string): void {
    if (this.isReported) return;
    this.isReported = true;
    this.context.log.warn("collector.line_malformed", { source: "/proc/net/dev", line: line.slice(0, 80) });
  }

  retire(): void {
    for (const chart of this.charts) chart.retire();
    this.state.retire();
  }

  [Symbol.dispose](): void {
    this.state[Symbol.dispose]();
  }

  /** The bandwidth chart carries the speed, so that readers can draw a limit. */
  private announceSpeed(): void {
    const { speedKbit } = this.state;
    const bandwidth = this.charts[0]!;
    if (Number.isNaN(speedKbit) || speedKbit === this.speedKbit || !bandwidth.exists) return;
    this.speedKbit = speedKbit;
    bandwidth.variable("nic_speed_max", speedKbit);
  }
}

function areNumbers(bytes: Buffer, spans: Int32Array): boolean {
  for (let i = 0; i < NET_COUNTERS; i++) {
    for (let at = spans[2 * i]!; at < spans[2 * i + 1]!; at++) if (bytes[at]! < 0x30 || bytes[at]! > 0x39) return false;
  }
  return true;
}
