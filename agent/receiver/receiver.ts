import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { SocketOwner, StreamRequest } from "../base/stream-socket.ts";
import type { ChildSettings } from "../config/child-settings.ts";
import type { Database } from "../rrd/database.ts";
import type { Host } from "../rrd/host.ts";
import type { HostOptions } from "../rrd/host-options.ts";
import type { Mismatches } from "../rrd/mismatches.ts";
import { promptOf, REFUSALS, type Refusal } from "../wire/answers.ts";
import { answerTo, supported } from "../wire/capabilities.ts";
import { parseStreamRequest, type ReceivedRequest } from "../wire/handshake.ts";
import { AcceptRate, permissionOf, refusalOf } from "./admission.ts";
import { ChildConnection, type ConnectionContext } from "./child-connection.ts";
import { emptyReceiverCounters, type ReceiverCounters } from "./counters.ts";
import { InputTurns } from "./paced-input.ts";
import { Refusals } from "./refusals.ts";
import { ReplayShare } from "./replay-share.ts";

const MINUTE_MS = 60_000;

/** The part of the configuration that the receiver follows; replaced as a whole by a reload. */
export interface ReceiverSettings {
  /** @param key as the child showed it. Both in lower case. */
  readonly childSettings: (key: string, machineGuid: string) => ChildSettings;
  /** `web.allow_streaming_from`. */
  readonly isAllowed: (address: string) => boolean;
  readonly acceptPerSecondMax: number;
  readonly receiveTimeoutSec: number;
  /** 0 = never. */
  readonly cleanupOrphansAfterSec: number;
  readonly gapIterations: number;
  /** Of children that do not say. */
  readonly updateEverySec: number;
}

export interface ReceiverOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  /** GUID of this agent's own host. */
  readonly ownGuid: string;
  readonly settings: ReceiverSettings;
  readonly mismatches: Mismatches;
  /** Called after each chunk of any child. */
  readonly afterData: () => void;
  /** A child was accepted with this API key: whoever passes it on follows the settings of that key. */
  readonly connected: (host: Host, key: string) => void;
}

/** Accepts children and writes what they send into the database: one connection a machine GUID. */
export class Receiver {
  readonly counters: ReceiverCounters = emptyReceiverCounters();
  readonly refusals: Refusals;
  private readonly options: ReceiverOptions;
  private settings: ReceiverSettings;
  private readonly rate = new AcceptRate();
  private readonly byGuid = new Map<string, ChildConnection>();
  private readonly context: ConnectionContext;
  private minuteMs = 0;
  /** When the last connection of a host ended, by the clock that never steps. */
  private readonly goneMs = new Map<Host, number>();

  constructor(options: ReceiverOptions) {
    this.options = options;
    this.settings = options.settings;
    this.refusals = new Refusals(options.clock);
    this.context = {
      clock: options.clock,
      log: options.log,
      counters: this.counters,
      afterData: options.afterData,
      refusals: this.refusals,
      mismatches: options.mismatches,
      ended: (connection) => this.ended(connection),
      replayShare: new ReplayShare(),
      inputTurns: new InputTurns(),
      self: {
        machineGuid: options.ownGuid,
        hostname: () => options.database.localhost?.hostname ?? "",
      },
    };
  }

  /** The children that are connected now. */
  get connections(): ChildConnection[] {
    return [...this.byGuid.values()];
  }

  get connectionCount(): number {
    return this.byGuid.size;
  }

  /** Takes over a new configuration; children that it does not allow any more are disconnected. */
  reload(settings: ReceiverSettings): void {
    this.settings = settings;
    for (const connection of this.connections) {
      const child = settings.childSettings(connection.key, connection.host.machineGuid);
      const isAllowed = settings.isAllowed(connection.address) && permissionOf(child, connection.address) === null;
      if (!isAllowed) connection.disconnect("not permitted any more by the configuration");
    }
  }

  /** Answers a connection that began with `STREAM`: takes it, or returns the text of the refusal. */
  take(request: StreamRequest): SocketOwner | string {
    const nowMs = this.options.clock.monotonicMs();
    const asked = parseStreamRequest(request.head);
    const { address } = request;
    if (!this.settings.isAllowed(address)) return this.refuse("streaming_address_not_permitted", asked, address);
    const settings = this.settings.childSettings(asked.key, asked.machineGuid);
    const refusal = refusalOf(asked, { address, settings, ownGuid: this.options.ownGuid });
    if (refusal !== null) return this.refuse(refusal, asked, address);
    if (!this.rate.take(nowMs, this.settings.acceptPerSecondMax)) return this.refuse("busy", asked, address);
    const old = this.byGuid.get(asked.machineGuid);
    if (old?.isActive(nowMs) === true) return this.refuse("duplicate", asked, address, old);
    const host = this.hostOf(asked, settings);
    if (host === null) return this.refuse("too_many_hosts", asked, address);
    old?.disconnect("replaced by a new connection of the same machine GUID");
    return this.accept(request, asked, host, settings);
  }

  /** Once a second: closes silent children, and forgets hosts that have been gone for long. */
  sweep(): void {
    const { clock, database } = this.options;
    const nowMs = clock.monotonicMs();
    for (const connection of this.byGuid.values()) {
      connection.tick();
      if (!connection.isSilent(nowMs, this.settings.receiveTimeoutSec)) continue;
      this.counters.timeout++;
      connection.disconnect(connection.isBehind ? "takes too long to store what it sent" : "silent for too long");
    }
    if (nowMs - this.minuteMs < MINUTE_MS) return;
    this.minuteMs = nowMs;
    database.renewChartAllowances(clock.nowUs());
    this.removeOrphans(nowMs);
  }

  /** Ends all connections. */
  stop(): void {
    for (const connection of this.connections) connection.disconnect("this agent stops");
  }

  private refuse(refusal: Refusal, asked: ReceivedRequest, address: string, old?: ChildConnection): string {
    this.counters.rejected++;
    if (refusal === "duplicate") this.counters.duplicate++;
    const { wire, code, reason } = REFUSALS[refusal];
    const holder = old === undefined ? "" : `${old.hostname} (${old.address})`;
    const { advice } = this.refusals.add(refusal, reason, { ...asked, address }, holder);
    this.options.log.warn("receiver.stream_refused", {
      // The subject of the line: children behind one address may be refused for different reasons.
      refused: `${address} ${refusal}`,
      code,
      reason,
      advice,
      hostname: asked.hostname,
      guid: asked.machineGuid,
      key: keyTail(asked.key),
      streaming_from: old?.address,
      streaming_as: old?.hostname,
    });
    return wire;
  }

  private accept(
    { socket, address }: StreamRequest,
    asked: ReceivedRequest,
    host: Host,
    settings: ChildSettings,
  ): SocketOwner | string {
    const { replication } = settings;
    const { isTributary } = asked;
    const capabilities = answerTo(asked.ver, isTributary, supported(host.ring !== null, replication.isEnabled));
    const prompt = Buffer.from(promptOf(capabilities.agreed));
    if (socket.write(prompt) !== prompt.length) return REFUSALS.internal.wire;
    this.counters.accepted++;
    const { hostname, key } = asked;
    const identity = { host, address, hostname, key, capabilities, isTributary, replication };
    const connection = new ChildConnection(socket, identity, this.context);
    this.byGuid.set(host.machineGuid, connection);
    host.isConnected = true;
    this.goneMs.delete(host);
    this.options.database.freeFirstDefinitions(host, this.options.clock.nowUs());
    host.receivedFrom = address;
    this.options.log.info("receiver.child_connected", {
      host: host.hostname,
      address,
      guid: host.machineGuid,
      agent: `${host.program}/${host.version}`,
      hops: host.hops,
      version: capabilities.agreed,
      key: keyTail(asked.key),
      update_every: host.updateEverySec,
      memory_mode: host.memoryMode,
      history: host.historyEntries,
      proxy: settings.proxy.isEnabled,
    });
    this.options.connected(host, asked.key);
    return connection;
  }

  /** The host of a request, made if it is new; what the request says of it is taken over. */
  private hostOf(asked: ReceivedRequest, settings: ChildSettings): Host | null {
    const { database, clock, log } = this.options;
    const updateEverySec = settings.updateEverySec ?? (asked.updateEverySec || this.settings.updateEverySec);
    const known = database.host(asked.machineGuid);
    const options: HostOptions = {
      machineGuid: asked.machineGuid,
      hostname: asked.hostname,
      os: asked.os,
      updateEverySec: Math.min(updateEverySec, 3600),
      historyEntries: settings.history,
      memoryMode: settings.memoryMode,
      gapIterations: this.settings.gapIterations,
      isLocal: false,
    };
    const isChanged = known !== undefined && isOther(known, settings, updateEverySec);
    let host = known ?? database.addHost(options);
    // Nobody has written to it since the start: its files can be opened as they are wanted now.
    if (known?.isArchived && isChanged) host = database.remakeHost(known, options);
    else if (isChanged) {
      log.info("receiver.settings_kept", { host: known.hostname, reason: "they change when this agent starts anew" });
    }
    if (host === null) return null;
    if (host.firstSeenUs === 0) host.firstSeenUs = clock.nowUs();
    describe(host, asked);
    host.files?.hostChanged();
    return host;
  }

  private ended(connection: ChildConnection): void {
    const { host } = connection;
    if (this.byGuid.get(host.machineGuid) !== connection) return;
    this.byGuid.delete(host.machineGuid);
    host.isConnected = false;
    host.receivedFrom = null;
    host.disconnectedUs = this.options.clock.nowUs();
    this.goneMs.set(host, this.options.clock.monotonicMs());
  }

  private removeOrphans(nowMs: number): void {
    const afterMs = this.settings.cleanupOrphansAfterSec * 1000;
    if (afterMs === 0) return;
    for (const [host, sinceMs] of this.goneMs) {
      if (nowMs - sinceMs < afterMs) continue;
      this.goneMs.delete(host);
      this.options.log.info("receiver.orphan_removed", { host: host.hostname, guid: host.machineGuid });
      this.options.database.removeHost(host);
    }
  }
}

function isOther(host: Host, settings: ChildSettings, updateEverySec: number): boolean {
  return (
    host.updateEverySec !== updateEverySec ||
    host.historyEntries !== settings.history ||
    host.memoryMode !== settings.memoryMode
  );
}

function describe(host: Host, asked: ReceivedRequest): void {
  host.hostname = asked.hostname;
  host.registryHostname = asked.registryHostname;
  host.os = asked.os;
  host.tags = asked.tags;
  host.timezone = asked.timezone;
  host.abbrevTimezone = asked.abbrevTimezone;
  host.utcOffsetSec = asked.utcOffsetSec;
  host.hops = asked.hops;
  host.systemInfo = asked.systemInfo;
  host.program = asked.program;
  host.version = asked.version;
}

/** Enough of a key to tell two apart, not enough to use it. */
function keyTail(key: string): string {
  return key === "" ? "" : `…${key.slice(-4)}`;
}
