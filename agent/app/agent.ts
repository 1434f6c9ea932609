import { AddressList } from "../base/address-list.ts";
import type { Clock, Random, Timer } from "../base/clock.ts";
import { createDial, type Dial } from "../base/dial.ts";
import { AgentError } from "../base/errors.ts";
import type { Files } from "../base/files.ts";
import { parseListen } from "../base/listen-address.ts";
import type { Logger } from "../base/log.ts";
import { isHostPrefix } from "../base/proc-file.ts";
import type { CollectorModule } from "../collector/collector.ts";
import { COLLECTORS } from "../collector/registry.ts";
import { Scheduler } from "../collector/scheduler.ts";
import { childSettings } from "../config/child-settings.ts";
import type { LoadedConfig } from "../config/load.ts";
import { planReload } from "../config/reload.ts";
import type { Config } from "../config/schema.ts";
import { type Door, type DoorNetwork, openDoor } from "../door/door.ts";
import { Exporters } from "../exporter/exporters.ts";
import { HttpApi } from "../http/http.ts";
import { Pushers } from "../pusher/pushers.ts";
import { Receiver, type ReceiverSettings } from "../receiver/receiver.ts";
import { rehearse } from "../receiver/rehearsal.ts";
import { Database } from "../rrd/database.ts";
import type { Host } from "../rrd/host.ts";
import { Mismatches } from "../rrd/mismatches.ts";
import type { Storage } from "../rrd/store/storage.ts";
import { STREAM_WORD } from "../wire/handshake.ts";
import { BalanceCheck } from "./balance-check.ts";
import { CollectorPlans } from "./collector-plans.ts";
import { collectorSources } from "./collector-sources.ts";
import { databaseLimits } from "./database-limits.ts";
import { doorUrl } from "./door-url.ts";
import { HostLinks } from "./host-links.ts";
import { HostRestoration } from "./host-restoration.ts";
import { httpSources } from "./http-sources.ts";
import { LinkRates } from "./link-rates.ts";
import { createLocalhost, exportedLabels, labelLocalhost } from "./localhost.ts";
import { type Machine, systemMachine } from "./machine.ts";
import { findIdentity, type Identity } from "./machine-guid.ts";
import { openStorage } from "./open-storage.ts";
import { attachRehearsalLink } from "./rehearsal-link.ts";
import { isKnownToOthers, type Role, roleOf, takesStreams } from "./role.ts";

/** What an agent runs in; `cli` gives the machine's own, simulations another one. */
export interface AgentWorld {
  readonly clock: Clock;
  readonly log: Logger;
  /** Version of this program. */
  readonly version: string;
  readonly random?: Random;
  readonly dial?: Dial;
  readonly files?: Files;
  readonly machine?: Machine;
  /** What the door listens with. */
  readonly network?: DoorNetwork;
  /** What this machine is asked for once a tick, beside the agent's own charts. */
  readonly collectors?: readonly CollectorModule[];
}

const PROGRAM = "tributary";
const HEARTBEAT_MS = 1000;
const BEATS_A_MINUTE = 60;
/** Parts of the five seconds of an orderly stop (design.md §4). */
const STOP_EXPORTERS_MS = 2000;
const STOP_PUSHERS_MS = 2000;

/** One running agent: builds the rooms from the configuration, wires them, and takes them down. */
export class Agent {
  readonly role: Role;
  /** Address of the first listener, `http://ADDR:PORT`; null without one. */
  url: string | null = null;
  /** In effect; differs from the file by {@link restartNeeded}. */
  private config: Config;
  /** Names of keys whose new value in the file waits for a restart. */
  private restartNeeded: readonly string[] = [];
  private reloads = 0;
  private readonly clock: Clock;
  private readonly log: Logger;
  private readonly machine: Machine;
  private readonly network: DoorNetwork | undefined;
  private readonly identity: Identity;
  private readonly database: Database;
  /** Null when every host lives in memory only. */
  private storage: Storage | null = null;
  private restoration: HostRestoration | null = null;
  private readonly files: Files | undefined;
  private readonly localhost: Host;
  private readonly receiver: Receiver;
  private readonly pushers: Pushers;
  private readonly links: HostLinks;
  private readonly mismatches: Mismatches;
  private readonly balance: BalanceCheck;
  private readonly exporters: Exporters;
  private readonly scheduler: Scheduler;
  private readonly collectors: CollectorPlans;
  private readonly api: HttpApi;
  private readonly rates: LinkRates;
  private allowsDashboard: AddressList;
  private allowsStreaming: AddressList;
  private door: Door | null = null;
  private heartbeat: Timer | null = null;
  private beats = 0;
  private stopping: Promise<void> | null = null;

  /** Starts everything. @throws AgentError when the port is taken or the identity cannot be kept. */
  static async start(loaded: LoadedConfig, world: AgentWorld): Promise<Agent> {
    const agent = new Agent(loaded.config, world);
    await agent.open();
    return agent;
  }

  private constructor(config: Config, agentWorld: AgentWorld) {
    const { clock, log, version, random = Math.random, dial, files, machine = systemMachine() } = agentWorld;
    this.config = config;
    this.clock = clock;
    this.log = log;
    this.machine = machine;
    this.network = agentWorld.network;
    this.role = roleOf(config);
    this.rates = new LinkRates(clock);
    this.allowsDashboard = new AddressList(config.web.allow_dashboard_from);
    this.allowsStreaming = new AddressList(config.web.allow_streaming_from);
    this.identity = findIdentity({
      configured: config.agent.machine_guid,
      stateDir: config.agent.state_dir,
      mustBeStable: isKnownToOthers(config),
      log,
    });
    const { guid } = this.identity;
    const world = {
      clock,
      log,
      random,
      dial: dial ?? createDial(clock),
      tcpQueues: machine.tcpQueues,
      program: PROGRAM,
      version,
      self: { machineGuid: guid, hostname: () => this.localhost.hostname },
    };
    this.mismatches = new Mismatches(clock, log);
    this.database = new Database(databaseLimits(config, machine.memoryBytes), (limit, host, what) => {
      // Limit and host are the subject of the line: each pair is told for itself.
      log.error("rrd.limit_reached", { limit: `db.${limit} of ${host}`, refused: what });
    });
    this.database.onDisplaced = ({ hostname, machineGuid, lastCollectedUs }) => {
      const newest = new Date(lastCollectedUs / 1000).toISOString();
      const text = "it made room for a live host; its files stay, and are shown again when it connects or at a start";
      log.warn("rrd.archived_displaced", { host: hostname, guid: machineGuid, newest, text });
    };
    this.files = files;
    this.machine = machine;
    this.storage = openStorage(config, this.database, { clock, log, files, processes: machine.processes });
    const program = { name: PROGRAM, version };
    this.localhost = createLocalhost(this.database, config, guid, program, machine, clock.nowUs());
    if (this.storage !== null) this.restoration = new HostRestoration(config, this.storage, { clock, log });
    this.pushers = new Pushers(world);
    this.balance = new BalanceCheck(this.database, this.pushers, clock, this.mismatches);
    this.links = new HostLinks(this.database, this.pushers, () => this.config);
    this.receiver = new Receiver({
      database: this.database,
      clock,
      log,
      ownGuid: guid,
      settings: receiverSettings(config),
      mismatches: this.mismatches,
      afterData: () => this.pushers.flushAll(),
      connected: (host, key) => this.links.childConnected(host, key),
    });
    this.exporters = new Exporters({
      ...world,
      database: this.database,
      machineGuid: guid,
      configs: config.exporter,
      labels: exportedLabels(this.localhost),
      threadCpu: machine.threadCpu,
    });
    this.api = this.createApi({ clock, log, random, version });
    this.scheduler = new Scheduler({
      clock,
      log,
      random,
      updateEverySec: config.agent.update_every,
      afterTick: () => this.pushers.flushAll(),
    });
    this.collectors = this.createCollectorPlans(agentWorld.collectors ?? COLLECTORS);
    this.database.watch({ hostAdded: () => {}, hostRemoved: (host, isKept) => this.hostRemoved(host, isKept) });
  }

  /**
   * Takes over a new configuration, as far as a running agent can; the rest is named in one warning. One that this
   * agent could not be started with changes nothing, with an error in the log.
   */
  reload(loaded: LoadedConfig): void {
    if (this.stopping !== null) return;
    // The subject of its lines: each reload is answered, however soon it comes after another.
    const reload = ++this.reloads;
    const { config, now, atRestart } = planReload(this.config, loaded.config);
    const problem = this.reloadProblem(config);
    if (problem !== null) {
      this.log.error("config.reload_refused", { reload, ...problem });
      return;
    }
    for (const { level, event, text } of loaded.notices) this.log[level](event, { text });
    if (atRestart.length > 0) this.log.warn("config.restart_needed", { reload, keys: atRestart.join(", ") });
    this.config = config;
    this.restartNeeded = atRestart;
    this.follow(config);
    this.log.info("config.reloaded", { reload, changed: now.join(", ") || "nothing" });
  }

  /**
   * Why the agent cannot follow a configuration; null = it can, and has opened the database's files if children are to
   * have some from now on.
   */
  private reloadProblem(config: Config): { reason: string; text: string } | null {
    const { clock, log, files, machine } = this;
    if (this.identity.isTemporary && isKnownToOthers(config)) {
      const reason = "the identity of this host is a temporary one, others must not know it by that";
      const hint = "make agent.state_dir writable or set agent.machine_guid, then restart";
      return { reason, text: `the old configuration stays; ${hint}` };
    }
    if (this.storage !== null) return null;
    try {
      this.storage = openStorage(config, this.database, { clock, log, files, processes: machine.processes });
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      return { reason: error.message, text: "the old configuration stays" };
    }
    if (this.storage === null) return null;
    this.restoration = new HostRestoration(config, this.storage, { clock, log });
    this.restoration.goOn();
    return null;
  }

  /** Writes hosts in mode `save` to their files now. */
  async save(): Promise<void> {
    await this.storage?.save();
  }

  /** Stops ticking, closes the door, flushes streams and exporters within their deadlines. Safe to call twice. */
  stop(): Promise<void> {
    this.stopping ??= this.shutDown();
    return this.stopping;
  }

  /** While it stops: hosts in mode `save` whose values are not in their files yet. */
  get unsavedHosts(): number {
    return this.storage?.unsavedHosts ?? 0;
  }

  private async open(): Promise<void> {
    const { config, clock, log } = this;
    if (takesStreams(config)) {
      await rehearse(this.role === "proxy" ? (host) => attachRehearsalLink(host, clock) : null);
    }
    this.links.follow();
    if (config.web.enabled) {
      const connections = new AddressList(config.web.allow_connections_from);
      this.door = await openDoor({
        addresses: config.web.listen.map(parseListen),
        words: new Map([[STREAM_WORD, (request) => this.receiver.take(request)]]),
        http: this.api.handle,
        isAllowed: (address) => connections.allows(address),
        idleMs: config.web.disconnect_idle_clients_after_seconds * 1000,
        clock,
        log,
        openFilesMax: this.machine.openFilesMax,
        network: this.network,
      });
      this.url = doorUrl(this.door.addresses);
    }
    this.database.freeFirstDefinitions(this.localhost, clock.nowUs());
    this.scheduler.configure(this.collectors.of(config.collector));
    this.scheduler.start();
    this.exporters.start();
    this.restoration?.goOn();
    this.beat();
    const { machineGuid: guid, hostname, memoryMode, historyEntries: history } = this.localhost;
    const { state_dir: state } = config.agent;
    log.info("app.started", { host: hostname, guid, role: this.role, memory_mode: memoryMode, history, state });
  }

  /** Every part takes what concerns it. */
  private follow(config: Config): void {
    const { web } = config;
    this.log.configure(config.log.level, config.log.format);
    this.allowsDashboard = new AddressList(web.allow_dashboard_from);
    this.allowsStreaming = new AddressList(web.allow_streaming_from);
    const connections = new AddressList(web.allow_connections_from);
    const idleMs = web.disconnect_idle_clients_after_seconds * 1000;
    this.door?.updateAccess((address) => connections.allows(address), idleMs);
    this.receiver.reload(receiverSettings(config));
    labelLocalhost(this.localhost, config);
    this.links.follow();
    this.exporters.reload(config.exporter, exportedLabels(this.localhost));
    this.scheduler.configure(this.collectors.of(config.collector));
  }

  private async shutDown(): Promise<void> {
    this.scheduler[Symbol.dispose]();
    this.heartbeat?.[Symbol.dispose]();
    this.restoration?.[Symbol.dispose]();
    this.receiver.stop();
    this.door?.[Symbol.dispose]();
    await Promise.all([
      this.pushers.stop(STOP_PUSHERS_MS),
      this.exporters.stop(STOP_EXPORTERS_MS),
      this.storage?.[Symbol.asyncDispose](),
    ]);
    this.log.info("app.stopped", { host: this.localhost.hostname });
  }

  /** Once a second: everything that waits for time to pass. */
  private beat(): void {
    this.heartbeat = this.clock.setTimer(HEARTBEAT_MS, () => {
      this.receiver.sweep();
      this.upkeep();
      this.pushers.tick(this.clock.monotonicMs());
      this.rates.observe(this.pushers.status());
      this.api.tick();
      this.beat();
    });
  }

  /** What the database needs from time to time. */
  private upkeep(): void {
    const { db } = this.config;
    const nowUs = this.clock.nowUs();
    this.storage?.tick();
    if (++this.beats % BEATS_A_MINUTE !== 0) return;
    this.balance.run();
    if (!db.delete_obsolete_charts_files) return;
    this.database.removeObsoleteCharts(nowUs, db.cleanup_obsolete_charts_after_seconds * 1e6);
  }

  private hostRemoved(host: Host, isKept: boolean): void {
    this.links.hostRemoved(host);
    const isDeleted = !isKept && this.config.db.delete_orphan_hosts_files;
    this.storage?.closeHost(host.machineGuid, isDeleted);
  }

  private createCollectorPlans(collectors: readonly CollectorModule[]): CollectorPlans {
    const { clock, log, machine, localhost: host } = this;
    const prefix = this.config.collector.host_prefix;
    const isUsable = prefix === "" || isHostPrefix(prefix);
    if (!isUsable) log.warn("collector.host_prefix_unusable", { path: prefix, text: "no readable proc/stat below it" });
    const files = machine.hostFiles(isUsable ? prefix : "");
    const sources = collectorSources({
      machine,
      clock,
      database: this.database,
      storage: () => this.storage,
      receiver: this.receiver,
      pushers: this.pushers,
      exporters: this.exporters,
      mismatches: this.mismatches,
      api: this.api,
      door: () => this.door,
      scheduler: this.scheduler,
      log: log.counters,
    });
    return new CollectorPlans({ host, files, clock, log, sources, collectors });
  }

  private createApi(world: { clock: Clock; log: Logger; random: Random; version: string }): HttpApi {
    return new HttpApi({
      ...world,
      database: this.database,
      allowsDashboard: (address) => this.allowsDashboard.allows(address),
      allowsStreaming: (address) => this.allowsStreaming.allows(address),
      gzipLevel: () => this.config.web.gzip_level,
      agent: httpSources({
        receiver: this.receiver,
        pushers: this.pushers,
        exporters: this.exporters,
        mismatches: this.mismatches,
        storage: () => this.storage,
        config: () => this.config,
        restartNeeded: () => this.restartNeeded,
        linkKey: (guid) => this.links.keyOf(guid),
        linkRate: (link) => this.rates.rateOf(link),
      }),
    });
  }
}

function receiverSettings(config: Config): ReceiverSettings {
  const streaming = new AddressList(config.web.allow_streaming_from);
  return {
    childSettings: (key, guid) => childSettings(config, key, guid),
    isAllowed: (address) => streaming.allows(address),
    acceptPerSecondMax: config.stream.accept_per_second_max,
    receiveTimeoutSec: config.stream.receive_timeout_seconds,
    cleanupOrphansAfterSec: config.db.cleanup_orphan_hosts_after_seconds,
    gapIterations: config.db.gap_when_lost_iterations_above + 2,
    updateEverySec: config.agent.update_every,
  };
}
