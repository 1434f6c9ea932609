import { SimplePattern } from "../base/pattern.ts";
import type { ExporterConfig } from "../config/schema.ts";
import type { Database } from "../rrd/database.ts";
import { Exporter, type ExporterParts, type Heritage } from "./exporter.ts";
import type { ExporterCounters, ExporterStatus } from "./exporter-status.ts";
import { Producer, type ThreadCpu } from "./producer.ts";
import { EXPORTER_TYPES } from "./registry.ts";

/** The tables `[exporter.NAME]`, by name. */
export type ExporterConfigs = Readonly<Record<string, ExporterConfig>>;

/** Labels of the local host, for exporters that are told to send them. */
export interface HostLabels {
  /** From `[agent.labels]`. */
  readonly configured: Readonly<Record<string, string>>;
  /** Made by the agent. */
  readonly automatic: Readonly<Record<string, string>>;
}

export interface ExportersOptions extends ExporterParts {
  readonly database: Database;
  /** Of this agent: spreads the moments at which agents export. */
  readonly machineGuid: string;
  readonly configs: ExporterConfigs;
  readonly labels: HostLabels;
  /** Default: the runtime's. */
  readonly threadCpu?: ThreadCpu;
}

/** Time an exporter that is removed or changed has to send what it holds. */
const RETIRE_MS = 2000;
/** All agents collect at the start of a second; exports run in the second half of it. */
const OFFSET_MS_MIN = 500;
const OFFSET_MS_RANGE = 400;

interface Group {
  readonly producer: Producer;
  readonly members: Exporter[];
}

/** All exporters of the agent. */
export class Exporters {
  private readonly options: ExportersOptions;
  private configs: ExporterConfigs;
  private labels: HostLabels;
  private readonly exporters = new Map<string, Exporter>();
  /** By {@link formatKey}: exporters that want the same lines share the work of writing them. */
  private readonly groups = new Map<string, Group>();
  /** Exporters that are being stopped. */
  private readonly retiring = new Set<Promise<void>>();
  private isRunning = false;

  constructor(options: ExportersOptions) {
    this.options = options;
    this.configs = options.configs;
    this.labels = options.labels;
  }

  /** Starts every enabled exporter. */
  start(): void {
    this.isRunning = true;
    for (const [name, config] of enabled(this.configs)) this.add(name, config);
  }

  /**
   * Takes a new configuration. Exporters whose table is the same go on undisturbed; changed ones start anew with the
   * queue and the account of the old one, and so do those that send labels when these are others; removed ones have 2 s
   * to send, what is left is counted lost (`config`).
   */
  reload(configs: ExporterConfigs, labels = this.labels): void {
    const isLabelled = Bun.deepEquals(labels, this.labels);
    this.configs = configs;
    this.labels = labels;
    if (!this.isRunning) return;
    const wanted = new Map(enabled(configs));
    for (const [name, exporter] of [...this.exporters]) {
      const config = wanted.get(name);
      const isKept = config !== undefined && isSame(config, exporter.config) && (isLabelled || !sendsLabels(config));
      if (isKept) wanted.delete(name);
      else if (config === undefined) this.retire(exporter);
    }
    for (const [name, config] of wanted) {
      const old = this.exporters.get(name);
      if (old === undefined) this.add(name, config);
      else this.replace(old, config);
    }
    this.closeEmptyGroups();
  }

  /** Every exporter of the configuration, the disabled ones too. */
  status(): ExporterStatus[] {
    return Object.entries(this.configs).map(([name, config]) => {
      return this.exporters.get(name)?.status() ?? statusOff(name, config);
    });
  }

  /** Counters of every running exporter. */
  counters(): ExporterCounters[] {
    return [...this.exporters.values()].map((exporter) => exporter.counters());
  }

  /** Stops exporting, sends what it can within the deadline and closes. */
  async stop(deadlineMs: number): Promise<void> {
    this.isRunning = false;
    for (const { producer } of this.groups.values()) producer.stop();
    this.groups.clear();
    const stopping = [...this.exporters.values()].map((exporter) => exporter.stop(deadlineMs));
    await Promise.all([...stopping, ...this.retiring]);
  }

  private add(name: string, config: ExporterConfig, heritage?: Heritage, startSec?: number): void {
    const exporter = new Exporter(name, config, this.options, heritage);
    this.exporters.set(name, exporter);
    this.join(exporter, startSec);
  }

  /** The new producer goes on where the old one was, so that a change of names leaves no hole at the server. */
  private replace(old: Exporter, config: ExporterConfig): void {
    const startSec = this.groupOf(old)?.producer.continuesAtSec;
    this.leave(old);
    // Nothing waits: what is on its way goes again, by the new configuration.
    this.track(old.stop(0));
    this.add(old.name, config, old.heritage, startSec);
  }

  private retire(exporter: Exporter): void {
    this.leave(exporter);
    this.exporters.delete(exporter.name);
    this.track(exporter.stop(RETIRE_MS).then(() => exporter.discardQueue("config")));
  }

  private track(stopping: Promise<void>): void {
    this.retiring.add(stopping);
    void stopping.then(() => this.retiring.delete(stopping));
  }

  private groupOf(exporter: Exporter): Group | undefined {
    return [...this.groups.values()].find(({ members }) => members.includes(exporter));
  }

  private join(exporter: Exporter, startSec: number | undefined): void {
    const key = formatKey(exporter.config, this.labels);
    let group = this.groups.get(key);
    if (group === undefined) {
      group = { producer: this.createProducer(exporter, startSec), members: [] };
      this.groups.set(key, group);
    }
    group.members.push(exporter);
    group.producer.sinks = [...group.members];
  }

  private leave(exporter: Exporter): void {
    const group = this.groupOf(exporter);
    if (group === undefined) return;
    group.members.splice(group.members.indexOf(exporter), 1);
    group.producer.sinks = [...group.members];
  }

  private closeEmptyGroups(): void {
    for (const [key, { producer, members }] of this.groups) {
      if (members.length > 0) continue;
      producer.stop();
      this.groups.delete(key);
    }
  }

  private createProducer({ name, config }: Exporter, startSec: number | undefined): Producer {
    const { labels } = this;
    const { database, clock, log, machineGuid } = this.options;
    const hash = Bun.hash.wyhash(`${machineGuid} ${name}`);
    const format = EXPORTER_TYPES[config.type].format(config);
    const threadCpu = this.options.threadCpu ?? (() => process.threadCpuUsage());
    return new Producer(
      { database, format, clock, log, threadCpu },
      {
        source: config.data_source,
        everySec: config.update_every,
        startSec: startSec ?? Math.floor(clock.nowUs() / 1e6),
        sendCharts: new SimplePattern(config.send_charts_matching),
        sendHosts: new SimplePattern(config.send_hosts_matching),
        useNames: config.send_names_instead_of_ids,
        hostname: config.hostname,
        tags: Object.entries(config.tags),
        localTags: Object.entries({
          ...(config.send_automatic_labels ? labels.automatic : {}),
          ...(config.send_configured_labels ? labels.configured : {}),
        }),
        batchPoints: config.batch_points,
        phaseSec: Number(hash % BigInt(config.update_every)),
        offsetMs: OFFSET_MS_MIN + Number((hash >> 32n) % BigInt(OFFSET_MS_RANGE)),
      },
    );
  }
}

function enabled(configs: ExporterConfigs): [string, ExporterConfig][] {
  return Object.entries(configs).filter(([, config]) => config.enabled);
}

/** Everything that decides which lines are written, and when. */
function formatKey(config: ExporterConfig, labels: HostLabels): string {
  return JSON.stringify([
    sendsLabels(config) ? labels : null,
    config.type,
    config.data_source,
    config.update_every,
    config.prefix,
    config.hostname,
    config.send_charts_matching,
    config.send_hosts_matching,
    config.send_names_instead_of_ids,
    config.send_configured_labels,
    config.send_automatic_labels,
    config.batch_points,
    config.host_dots,
    config.compat_names,
    config.tags,
  ]);
}

function sendsLabels(config: ExporterConfig): boolean {
  return config.send_configured_labels || config.send_automatic_labels;
}

function isSame(a: ExporterConfig, b: ExporterConfig): boolean {
  return Bun.deepEquals(a, b, true);
}

function statusOff(name: string, config: ExporterConfig): ExporterStatus {
  return {
    name,
    type: config.type,
    destination: config.destination.join(" "),
    dataSource: config.data_source,
    state: "off",
    lastOkSec: 0,
    sentPerSec: 0,
    produced: 0,
    sent: 0,
    lost: 0,
    queued: 0,
    queueBytes: 0,
    queueBytesMax: config.queue_memory_bytes,
    failures: 0,
    error: null,
  };
}
