import { silentLog } from "../agent/base/log.ts";
import type { SocketOwner, StreamSocket } from "../agent/base/stream-socket.ts";
import { Receiver } from "../agent/receiver/receiver.ts";
import { imbalance } from "../agent/rrd/balance.ts";
import { completeToSec } from "../agent/rrd/completeness.ts";
import type { Database } from "../agent/rrd/database.ts";
import type { Host } from "../agent/rrd/host.ts";
import { chartFactsBytes } from "../agent/rrd/host-facts.ts";
import { Mismatches } from "../agent/rrd/mismatches.ts";
import { FuzzChild } from "./fuzz-child.ts";
import { SeededRandom } from "./seeded-random.ts";
import { newDatabase } from "./simulated-host.ts";
import { SimulatedClock } from "./unit/exporter-fixture.ts";

const KEY = "11111111-2222-3333-4444-555555555555";
const GUID = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeee0001";
const OWN = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeee0000";
const HISTORY = 120;
const LIMITS = { chartsPerHost: 30, dimensionsPerChart: 24, memoryBytes: 2 ** 22, newChartsPerMinute: 20 };
/** How far ahead of our clock a second may lie. */
const AHEAD_SEC = 5;
/** Everything that is agreed today, and how our kind says that it is. */
const OFFERS = ["&ver=704", "&ver=4800", "&ver=21184", "&ver=4800&tributary=1", "&ver=4", ""];

/** The end of a connection that a receiver holds. */
class ChildSocket implements StreamSocket {
  isOpen = true;
  owner: SocketOwner | null = null;
  /** Bytes that the child has not read; more than its kernel takes are refused. */
  unread = 0;
  isReading = true;

  write(bytes: Uint8Array, offset = 0, length = bytes.length - offset): number {
    if (!this.isOpen) return -1;
    if (this.isReading) return length;
    const taken = Math.min(length, 100_000 - this.unread);
    this.unread += taken;
    return taken;
  }

  shutdown(): void {}

  end(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.owner?.close(this);
  }

  terminate(): void {
    this.end();
  }

  pause(): void {}

  resume(): void {}
}

/** A parent, and one child after the other that says whatever comes to its mind. */
export class ReceiverFuzz {
  private readonly clock = new SimulatedClock();
  private readonly database: Database = newDatabase(LIMITS);
  private readonly receiver: Receiver;
  private readonly mismatches = new Mismatches(this.clock, silentLog);
  private readonly child = new FuzzChild();
  private socket: ChildSocket | null = null;
  private host!: Host;

  constructor() {
    const { clock, database } = this;
    const childSettings = () => ({
      isKeyKnown: true,
      isKeyEnabled: true,
      isMachineEnabled: true,
      keyAllowFrom: "*",
      machineAllowFrom: "*",
      updateEverySec: undefined,
      history: HISTORY,
      memoryMode: "ram" as const,
      replication: { isEnabled: true, windowSec: 86_400, stepSec: 60 },
      proxy: { isEnabled: false, destination: [], apiKey: KEY, sendChartsMatching: "*" },
    });
    this.receiver = new Receiver({
      database,
      clock,
      log: silentLog,
      ownGuid: OWN,
      mismatches: this.mismatches,
      settings: {
        childSettings,
        isAllowed: () => true,
        acceptPerSecondMax: 1000,
        receiveTimeoutSec: 120,
        cleanupOrphansAfterSec: 0,
        gapIterations: 3,
        updateEverySec: 1,
      },
      afterData: () => {},
      connected: () => {},
    });
  }

  /** Lets the child say one thing, in pieces, and looks at everything. @throws what is wrong. */
  async step(gene: number): Promise<void> {
    const random = new SeededRandom(gene);
    const socket = this.socket ?? this.connect(random);
    const bytes = Buffer.from(this.child.write(random, this.clock.nowSec), "latin1");
    socket.isReading = !random.chance(10);
    const cuts = Array.from({ length: random.below(4) }, () => random.below(bytes.length + 1)).sort((a, b) => a - b);
    let start = 0;
    for (const cut of [...cuts, bytes.length]) {
      if (socket.isOpen && cut > start) socket.owner!.data(socket, bytes.subarray(start, cut));
      start = cut;
    }
    if (random.chance(20)) {
      await this.clock.advance(1000 * (random.chance(90) ? 1 : 1 + random.below(40)));
      this.receiver.sweep();
      if (random.chance(60)) this.database.removeObsoleteCharts(this.clock.nowUs(), 1e6);
    }
    if (random.chance(3) && socket.isOpen) random.chance(50) ? socket.owner!.end(socket) : socket.end();
    if (!socket.isOpen) this.socket = null;
    this.check();
  }

  /** After it, an honest child of the same machine is received as if nothing had been. */
  async finish(): Promise<void> {
    if (this.socket?.isOpen) this.socket.end();
    this.socket = null;
    if (this.host === undefined) return;
    expectThat(this.share["outstanding"] === 0 && this.share["waiting"].size === 0, "requests outlive their child");
    for (const chart of this.host.chartList()) this.host.retireChart(chart);
    // The first time notes since when they are retired.
    for (const laterUs of [1e12, 2e12]) this.database.removeObsoleteCharts(this.clock.nowUs() + laterUs, 0);
    expectThat(this.host.chartCount === 0 && this.host.dimensionCount === 0, "all charts can be removed");
    const { labels, variables, admission } = this.host;
    const leftBytes = admission["bytes"] - chartFactsBytes({ labels, variables });
    expectThat(leftBytes === 0, `${leftBytes} bytes of charts that are gone`);
    const socket = this.connect(new SeededRandom(1), "&ver=704");
    const send = (text: string) => socket.owner!.data(socket, Buffer.from(text));
    send('CHART "ok.c" "" "" "" "" "" line 1 1\nDIMENSION "x" "" absolute 1 1\n');
    for (let second = 0; second < 10; second++) {
      await this.clock.advance(1000);
      send(`BEGIN ok.c ${second === 0 ? 0 : 1_000_000}\nSET x = 7\nEND\n`);
      this.receiver.sweep();
    }
    this.check();
    const chart = this.host.chart("ok.c");
    expectThat(chart !== undefined && chart.slotsPassed >= 8, "an honest child is received");
    socket.end();
  }

  private get share() {
    return this.receiver["context"].replayShare;
  }

  private connect(random: SeededRandom, offer = random.pick(OFFERS)): ChildSocket {
    const socket = new ChildSocket();
    const head = Buffer.from(`STREAM key=${KEY}&hostname=h&machine_guid=${GUID}${offer} HTTP/1.1\r\n\r\n`);
    const taken = this.receiver.take({ socket, head, address: "10.0.0.1" });
    if (typeof taken === "string") throw new Error(`refused: ${taken}`);
    socket.owner = taken;
    this.socket = socket;
    this.host = this.database.host(GUID)!;
    return socket;
  }

  private check(): void {
    const { host, clock } = this;
    const nowSec = Math.floor(clock.nowUs() / 1e6);
    expectThat(imbalance(host.balance) === 0, `account of the host: ${JSON.stringify(host.balance)}`);
    expectThat(host.chartCount <= LIMITS.chartsPerHost, "charts");
    expectThat(host.ring!.bytes <= LIMITS.memoryBytes, "ring");
    expectThat(host.labels.length <= 100 && host.variables.size <= 100, "labels and variables");
    expectThat(
      host.missingFromSec >= 0 && host.missingFromSec <= nowSec + AHEAD_SEC,
      `missing from ${host.missingFromSec}`,
    );
    expectThat(Number.isSafeInteger(host.missingFromSec), `missing from ${host.missingFromSec}`);
    expectThat(this.share["outstanding"] >= 0 && this.share["outstanding"] <= 500_000, "values asked for");
    const ends = host.chartList().map(({ start, dimensions }) => [start, start + dimensions.count] as const);
    const places = ends.flatMap(([from, to]) => Array.from({ length: to - from }, (_, n) => from + n));
    expectThat(places.length === host.dimensionCount, `${places.length} of ${host.dimensionCount} dimensions`);
    expectThat(new Set(places).size === places.length, "two charts have one place");
    for (const chart of host.chartList()) {
      expectThat(chart.dimensions.count <= LIMITS.dimensionsPerChart, "dimensions");
      expectThat(chart.labels.length <= 100 && (chart.variables?.size ?? 0) <= 100, "labels of a chart");
      const times = [chart.lastCollectedUs, chart.lastUpdatedUs];
      expectThat(
        times.every((us) => us >= 0 && us <= clock.nowUs() + AHEAD_SEC * 1e6),
        `${chart.id}: times ${times}`,
      );
    }
    for (const segment of host.ring!.segments) {
      // A stamp is the second of the first slot of a block.
      for (const stamp of segment.stamps) expectThat(Math.abs(stamp) <= nowSec + AHEAD_SEC, `a block of ${stamp}`);
    }
    this.checkPath(nowSec);
    const connection = this.receiver.connections[0];
    if (connection === undefined) return;
    expectThat(connection["input"].pendingBytes <= 65_536, "a partial line");
    expectThat(connection["commands"]["buffer"].pendingBytes <= 2 ** 20, "commands");
    const plan = connection["backfill"]?.["plan"];
    if (plan === undefined) return;
    const waiting = plan["starting"].length + plan["backlog"].length;
    expectThat(waiting <= plan["byChart"].size, `${waiting} of ${plan["byChart"].size} charts wait`);
    expectThat(plan["askedCharts"] >= 0 && plan["askedCharts"] <= 200, `${plan["askedCharts"]} are asked`);
  }

  /** What it says of its way can be shown, and goes no further than it may. */
  private checkPath(nowSec: number): void {
    const { hops } = this.host.path;
    expectThat(hops.length <= 10 && this.mismatches.latest.length <= 20, "what is said of a way");
    for (const { hostname, machineGuid, completeToSec: toSec, toldUs } of hops) {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
      expectThat(!/[\u0000-\u001f\u007f]/.test(hostname + machineGuid), `the name ${hostname}`);
      expectThat(hostname.length <= 200 && machineGuid.length <= 200, "a long name");
      for (const second of [toSec, toldUs / 1e6]) new Date(second * 1000).toISOString();
    }
    const toSec = completeToSec(this.host);
    expectThat(toSec >= 0 && toSec <= nowSec + 86_400, `complete up to ${toSec}`);
  }
}

function expectThat(isTrue: boolean, what: string): void {
  if (!isTrue) throw new Error(what);
}
