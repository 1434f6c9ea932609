import { HostWriter } from "../agent/receiver/host-writer.ts";
import type { Chart } from "../agent/rrd/chart.ts";
import type { Host } from "../agent/rrd/host.ts";
import { setChartLabels, setLabels, setVariable } from "../agent/rrd/host-facts.ts";
import { StreamDecoder } from "../agent/wire/decode.ts";
import { fuzzAnswer, fuzzCommands } from "./fuzz-parent.ts";
import { SeededRandom } from "./seeded-random.ts";
import { dimension, newHost } from "./simulated-host.ts";
import { type FakeSocket, PusherScene } from "./unit/pusher-fixture.ts";

const BUFFER_BYTES = 65_536;
/** A piece of an answer may pass the limit where it is the only one that waits. */
const PENDING_BYTES_MAX = 2 * BUFFER_BYTES;
const IDS = ["f.a", "f.b", 'f.quo"te', "f.a space", "f.µs", `f.${"long".repeat(40)}`];

/** A child, and one parent after the other that says whatever comes to its mind. */
export class PusherFuzz {
  private readonly scene: PusherScene;
  private socket: FakeSocket | null = null;
  private readonly charts: Chart[] = [];
  private tick = 0;
  /** What an honest parent would find wrong with what was sent. */
  private readonly faults: string[] = [];
  private read = 0;
  private reader!: StreamDecoder<Chart>;

  constructor(seed: number) {
    const random = new SeededRandom(seed);
    const settings = { isReplicating: true, bufferSizeBytes: BUFFER_BYTES, expectsValues: true, timeoutSec: 30 };
    this.scene = new PusherScene(settings, { historyEntries: 120, memoryMode: random.chance(90) ? "ram" : "none" });
  }

  /** Lets time pass, the child collect, or the parent speak, and looks at everything. @throws what is wrong. */
  async step(gene: number): Promise<void> {
    const random = new SeededRandom(gene);
    const kinds = [
      () => this.collect(random),
      () => this.collect(random),
      () => this.change(random),
      () => this.hear(random),
      () => this.hear(random),
      () => this.hear(random),
      () => this.scene.pass(random.chance(90) ? 1 : random.below(70)),
      () => this.trouble(random),
    ];
    await random.pick(kinds)();
    this.collect(random);
    await this.scene.flush();
    await this.connect(random);
    this.check();
  }

  private async connect(random: SeededRandom): Promise<void> {
    const { scene } = this;
    if (this.socket !== null && !this.socket.isClosed) return;
    this.socket = null;
    if (scene.status.state !== "connecting" || scene.attempts.length === 0) return;
    if (random.chance(10)) return scene.attempt.refuse("nobody there");
    if (scene.attempt.isAborted()) return;
    this.socket = await scene.attempt.open(
      "10.0.0.9",
      random.chance(80) ? Number.POSITIVE_INFINITY : random.below(20_000),
    );
    this.read = 0;
    this.reader = new StreamDecoder(
      new HostWriter(this.honestHost(), { problem: (kind, line) => this.note(kind, line), disable() {} }),
    );
    this.say(fuzzAnswer(random), random);
    await scene.pass(1);
  }

  /** Where what was sent would be stored. */
  private honestHost(): Host {
    return newHost({ historyEntries: 120 });
  }

  private note(kind: string, line: Uint8Array): void {
    // A chart that nobody has is answered for under the name that it was asked for by.
    if (kind === "no_chart" && Buffer.from(line).toString().startsWith("RBEGIN")) return;
    this.faults.push(`${kind}: ${Buffer.from(line).toString().slice(0, 300)}`);
  }

  private collect(random: SeededRandom): void {
    this.tick++;
    for (const chart of this.charts) {
      if (random.chance(10)) continue;
      const values = chart.dimensions.list.map(() => (random.chance(90) ? this.tick * random.below(1000) : undefined));
      this.scene.commit(chart, ...values);
    }
  }

  private change(random: SeededRandom): void {
    const { host } = this.scene;
    if (this.charts.length < IDS.length && random.chance(50)) {
      const chart = this.scene.chart(IDS[this.charts.length]!, "x", 'y"z', "µ");
      this.charts.push(chart);
      return;
    }
    if (this.charts.length === 0) return;
    const chart = random.pick(this.charts);
    const label = { name: `l${random.below(5)}`, value: `${random.below(100)}`, source: 1 };
    const kinds = [
      () => host.defineDimension(chart, dimension(`n${random.below(20)}`, random.pick(["absolute", "incremental"]))),
      () => host.retireChart(chart),
      () => setChartLabels(host, chart, [label]),
      () => setLabels(host, [label]),
      () => setVariable(host, random.chance(50) ? chart : null, "v", random.next()),
      () => host.defineChart({ id: chart.id, title: `t${random.below(9)}`, updateEverySec: random.chance(80) ? 1 : 2 }),
      () => host.removeObsolete(this.scene.clock.nowUs(), 1e6),
    ];
    random.pick(kinds)();
  }

  private hear(random: SeededRandom): void {
    const { clock } = this.scene;
    const ids = this.charts.map(({ id }) => id);
    this.say(fuzzCommands(random, ids, clock.nowSec), random);
  }

  private say(text: string, random: SeededRandom): void {
    const cut = random.below(text.length + 1);
    for (const piece of [text.slice(0, cut), text.slice(cut)]) {
      if (piece !== "") this.socket?.send(Buffer.from(piece, "latin1"));
    }
  }

  private trouble(random: SeededRandom): void {
    const { socket } = this;
    if (socket === null) return;
    const kinds = [
      () => socket.drain(random.below(100_000)),
      () => socket.drain(),
      () => socket.finish(),
      () => socket.reset(),
      () => {
        socket.room = random.below(1000);
      },
    ];
    random.pick(kinds)();
  }

  private check(): void {
    const { scene, socket } = this;
    const { values, bufferBytes } = scene.status as { values: object; bufferBytes?: number };
    if (scene.imbalance !== 0) throw new Error(`account of the link: ${JSON.stringify(values)}`);
    for (const [name, count] of Object.entries(values)) {
      if (typeof count === "number" && !(count >= 0)) throw new Error(`${name} is ${count}`);
    }
    const { output } = scene.pushers["byHost"].get(scene.host)!;
    if (output.pendingBytes > PENDING_BYTES_MAX) throw new Error(`${output.pendingBytes} bytes wait ${bufferBytes}`);
    const answers = output.replication?.["answers"];
    if (answers !== undefined && answers["open"].size > this.charts.length + 1) throw new Error("answers wait");
    if (answers !== undefined && answers["refused"].length > 1000) throw new Error("answers without a chart wait");
    if (socket === null || socket.bytes.indexOf("\r\n\r\n") < 0) return;
    const stream = socket.stream;
    this.reader.feed(stream.subarray(this.read), scene.clock.nowUs());
    this.read = stream.length;
    if (this.faults.length > 0) throw new Error(this.faults.join("\n"));
  }
}
