import { describe, expect } from "bun:test";
import { type RecordedPoint, recordedPoints } from "../capture-points.ts";
import { captureStreams } from "../capture-stream.ts";
import { HostView } from "./compare.ts";
import { type Cell, compareCell, compareKnown, emptyCell, tableText } from "./interop-table.ts";
import { type Lab, peerTest } from "./peer.ts";
import { PROMPT, RawChild } from "./raw-child.ts";
import { Relay } from "./relay.ts";
import { NETDATA_KEY } from "./servers.ts";
import { readStreamText, type WireChart } from "./stream-text.ts";

/** For so long netdata sends no intervals on a V1 link, and its parents go by their own clocks. */
const CLOCKED_SEC = 66;
const COMPARED_SEC = 20;
/** A first value is only a base, and the newest seconds may be on their way. */
const START_SEC = 4;
const SETTLED_SEC = 4;
const COLUMNS = ["Tributary", "netdata 1.37.1"] as const;

/** Who sends, and how it is brought to do so. */
interface Sender {
  readonly name: string;
  readonly isOurs: boolean;
  /** The request as it reaches the receiver. */
  readonly rewrite: (head: string) => string;
  /** It may be asked for its past: all it has ever collected is compared. */
  readonly replicates: boolean;
}

const foreign = (head: string) => head.replace("&tributary=1", "");
const asking = (bits: number) => (head: string) => head.replace(/&ver=[0-9]+/, bits === 0 ? "" : `&ver=${bits}`);

const SENDERS: readonly Sender[] = [
  { name: "Tributary, V1", isOurs: true, rewrite: asking(0), replicates: false },
  { name: "Tributary, labels (704)", isOurs: true, rewrite: asking(704), replicates: false },
  { name: "Tributary, replication (4800)", isOurs: true, rewrite: asking(4800), replicates: true },
  {
    name: "Tributary, final points (21184)",
    isOurs: true,
    rewrite: (head) => foreign(asking(21_184)(head)),
    replicates: true,
  },
  { name: "netdata 1.37.1, V1", isOurs: false, rewrite: asking(0), replicates: false },
  { name: "netdata 1.37.1, as it comes", isOurs: false, rewrite: (head) => head, replicates: true },
];

/** One sender on its way to one receiver. */
interface Route {
  readonly sender: Sender;
  readonly column: number;
  readonly view: HostView;
  readonly relay: Relay;
  /** When it had started. */
  readonly readySec: number;
}

async function startRoute(lab: Lab, sender: Sender, column: number, parentPort: number): Promise<Route> {
  const relay = lab.use(await Relay.open(parentPort, sender.rewrite));
  const config = `[stream]
enabled = true
destination = "127.0.0.1:${relay.port}"
api_key = "${NETDATA_KEY}"
initial_clock_resync_iterations = 1
`;
  const parent = `127.0.0.1:${relay.port}`;
  const caps = sender.replicates ? "default" : "v1";
  const { port } = sender.isOurs ? await lab.agent({ config }) : await lab.netdata({ role: "child", parent, caps });
  return { sender, column, view: new HostView(port), relay, readySec: Math.ceil(Date.now() / 1000) };
}

/** @param endSec of what is compared. */
async function cellOf({ sender, column, view, relay, readySec }: Route, port: number, endSec: number): Promise<Cell> {
  const stream = relay.streams.findLast(({ isOpen }) => isOpen)!;
  const { uid } = JSON.parse(await view.text("info")) as { uid: string };
  const agreed = /^.*?with the version=([0-9]+)/.exec(stream.answered.toString("latin1"))?.[1] ?? "";
  const connectedSec = Math.ceil(stream.arrivals[0]!.atMs / 1000);
  const sinceSec = sender.replicates
    ? readySec + START_SEC
    : connectedSec + (sender.isOurs ? 3 * START_SEC : CLOCKED_SEC);
  const isSameKind = sender.isOurs && column === 0;
  return compareCell(emptyCell(agreed), [view, new HostView(port, uid)], [sinceSec, endSec], isSameKind);
}

/** A recording, and how it is played. */
interface Recording {
  readonly name: string;
  readonly file: string;
  /** Capability bits; 0 = V1. */
  readonly bits: number;
  readonly columns: readonly number[];
}

const RECORDINGS: readonly Recording[] = [
  { name: "netdata 1.6.0, recorded", file: "netdata-1.6.0-child-v1.txt", bits: 0, columns: [0, 1] },
  { name: "netdata 2.9.0, V1, recorded", file: "netdata-2.9.0-child-v1.txt", bits: 0, columns: [0, 1] },
  {
    name: "netdata 2.9.0, final points, recorded",
    file: "netdata-2.9.0-child-caps21184-text-interpolated.txt",
    bits: 21_184,
    columns: [0],
  },
];
/** Iterations of known values behind a recording of V1: the first of them tell no interval. */
const ROUNDS = 12;
const CLOCK_ROUNDS = 2;

/**
 * Plays a recording. Final points lie at their recorded seconds. What a V1 child collected lies where the receiver's
 * clock puts it: so its charts go on for some seconds with values that are known for every second.
 */
async function play(lab: Lab, { file, bits }: Recording, guid: string, port: number): Promise<RecordedPoint[]> {
  const lines = captureStreams(file).at(-1)!;
  const child = lab.use(await RawChild.connect(port));
  const prompt = bits === 0 ? PROMPT : `${PROMPT.slice(0, -3)} with the version=${bits}`;
  const query = `key=${NETDATA_KEY}&hostname=recorded&machine_guid=${guid}&os=linux&update_every=1`;
  expect(await child.ask(bits === 0 ? query : `${query}&ver=${bits}`, prompt)).toBe(prompt);
  const bytes = Buffer.concat(lines.map((line) => line.bytes));
  await middleOfSecond();
  child.send(bytes);
  if (bits !== 0) return recordedPoints(lines);
  const { charts } = readStreamText(Buffer.concat([Buffer.from("STREAM x HTTP/1.1\r\n\r\n"), bytes]));
  const points: RecordedPoint[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    await Bun.sleep(100);
    await middleOfSecond();
    const endSec = Math.floor(Date.now() / 1000);
    for (const [chart, wire] of charts) {
      const iteration = nextIteration(chart, wire, round);
      child.send(iteration.text);
      if (round > CLOCK_ROUNDS) points.push(...iteration.points.map((point) => ({ ...point, endSec })));
    }
  }
  return points;
}

/** One more iteration of a chart; of its values those are known that are stored as they are. */
function nextIteration(chart: string, { dimensions, last }: WireChart, round: number) {
  const points: Omit<RecordedPoint, "endSec">[] = [];
  if (dimensions.size === 0) return { text: "", points };
  let text = `BEGIN "${chart}" ${round < CLOCK_ROUNDS ? 0 : 1_000_000}\n`;
  for (const [id, { algorithm, multiplier, divisor, options }] of dimensions) {
    const collected = (last.get(id) ?? 0n) + 1000n * BigInt(round + 1);
    last.set(id, collected);
    text += `SET "${id}" = ${collected}\n`;
    if (algorithm !== "absolute" || options.includes("hidden")) continue;
    points.push({ chart, dimension: id, value: (Number(collected) * multiplier) / divisor, collected: null });
  }
  return { text: `${text}END\n`, points };
}

/** What is sent half a second away from the next full one belongs to one second for everybody. */
async function middleOfSecond(): Promise<void> {
  await Bun.sleep((1500 - (Date.now() % 1000)) % 1000);
}

async function playAll(lab: Lab, ports: readonly number[]): Promise<Map<string, (Cell | null)[]>> {
  const played = RECORDINGS.flatMap((recording, row) =>
    recording.columns.map((column) => ({ recording, row, column })),
  );
  const rows = new Map<string, (Cell | null)[]>(RECORDINGS.map(({ name }) => [name, [null, null]]));
  await Promise.all(
    played.map(async ({ recording, row, column }) => {
      const guid = `aaaaaaaa-0000-0000-000${column}-${String(row + 1).padStart(12, "0")}`;
      const points = await play(lab, recording, guid, ports[column]!);
      await Bun.sleep(2000);
      const agreed = recording.bits === 0 ? "" : `${recording.bits}`;
      const cell = await compareKnown(emptyCell(agreed), new HostView(ports[column]!, guid), points);
      rows.get(recording.name)![column] = cell;
    }),
  );
  return rows;
}

describe("interoperability", () => {
  peerTest(
    "the table: every sender to every receiver",
    { needs: ["netdata"] },
    async (lab) => {
      const config = `[api_key."${NETDATA_KEY}"]\nenabled = true\n[collector]\nenabled = false\n`;
      const [ours, real] = await Promise.all([
        lab.agent({ config }),
        lab.netdata({ role: "parent", mode: "dbengine" }),
      ]);
      const ports = [ours.port, real.port];
      const routes: Route[] = [];
      // All at once would start too slowly to be in time for anything.
      for (const sender of SENDERS) {
        const pair = ports.map((port, column) => startRoute(lab, sender, column, port));
        routes.push(...(await Promise.all(pair)));
      }
      const [recorded] = await Promise.all([
        playAll(lab, ports),
        Bun.sleep(1000 * (CLOCKED_SEC + COMPARED_SEC + SETTLED_SEC)),
      ]);
      const endSec = Math.floor(Date.now() / 1000) - SETTLED_SEC;
      const rows = new Map<string, (Cell | null)[]>(SENDERS.map(({ name }) => [name, []]));
      await Promise.all(
        routes.map(async (route) => {
          rows.get(route.sender.name)![route.column] = await cellOf(route, ports[route.column]!, endSec);
        }),
      );
      for (const [name, cells] of recorded) rows.set(name, cells);
      process.stdout.write(tableText(COLUMNS, rows));
      check(rows);
    },
    240_000,
  );
});

/** What netdata makes of netdata is there to compare with; of all others something is asked. */
function check(rows: ReadonlyMap<string, readonly (Cell | null)[]>): void {
  for (const [sender, cells] of rows) {
    for (const [column, cell] of cells.entries()) {
      const name = `${sender} → ${COLUMNS[column]}`;
      if (cell === null || /^netdata 1\.37\.1.*→ netdata/.test(name)) continue;
      const { charts, points, exact, missing, faults } = cell;
      const isExact = /^(?:Tributary, (?:replication|final).*→ Tributary|netdata.*recorded)/.test(name);
      // Without replication the receiver does not know how a chart's intervals lie to its seconds.
      const isReplicated = isExact || /replication|final|as it comes/.test(name);
      const share = isReplicated ? exact / points : 1 - missing / points;
      const isEnough = share >= (isExact ? 1 : 0.99);
      expect([name, charts > 5, points > 50]).toEqual([name, true, true]);
      expect([name, isEnough, isEnough ? [] : faults]).toEqual([name, true, []]);
    }
  }
}
