import { commitStreamed } from "../agent/rrd/commit.ts";
import { Database } from "../agent/rrd/database.ts";
import type { Algorithm } from "../agent/rrd/dimension.ts";
import type { Host } from "../agent/rrd/host.ts";
import { ValueRow } from "../agent/rrd/value-row.ts";
import { addHost, LIMITS } from "./query-fixture.ts";

/** Second of the first sample of the synthetic child; sample `n` belongs to `FIRST_SEC − 1 + n`. */
const FIRST_SEC = 1_795_301_283;
/** Samples that were not sent (25 to 30 when counted from 0); the next one carried their time too (http-api.md §12). */
const LOST_FROM = 26;
const LOST_TO = 31;
/** The history its parent kept. */
const HISTORY = 1024;

interface SynthDimension {
  id: string;
  name?: string;
  algorithm: Algorithm;
  multiplier: number;
  divisor: number;
  hidden?: boolean;
  /** What sample `n` SETs. */
  value: (n: number) => number;
}

const TEMP: SynthDimension[] = [
  { id: "c5", name: "const5", algorithm: "absolute", multiplier: 1, divisor: 1, value: () => 5 },
  { id: "neg", name: "negative", algorithm: "absolute", multiplier: -1, divisor: 2, value: () => 7 },
  { id: "zero", algorithm: "absolute", multiplier: 1, divisor: 1, value: () => 0 },
  { id: "frac", algorithm: "absolute", multiplier: 1, divisor: 1000, value: () => 1234 },
  { id: "hid", algorithm: "absolute", multiplier: 1, divisor: 1, hidden: true, value: () => 9 },
  { id: "inc", algorithm: "incremental", multiplier: 1, divisor: 1, value: (n) => 100 * n },
];

const TRAFFIC: SynthDimension[] = [
  { id: "in", algorithm: "incremental", multiplier: 8, divisor: 1000, value: (n) => 1000 * n },
  { id: "out", algorithm: "incremental", multiplier: -8, divisor: 1000, value: (n) => 2000 * n },
];

/**
 * The parent that the captures were taken from: `parent1` with the children `child1` and `synth`, the latter with its
 * two known charts (http-api.md §12), as they stood at a second.
 */
export function parentAt(nowSec: number): Database {
  const database = new Database(LIMITS, () => {});
  addHost(database, "parent1", "10", { isLocal: true });
  for (const [hostname, guid] of [["child1", "11"] as const, ["synth", "1"] as const]) {
    const host = addHost(database, hostname, guid, { history: HISTORY });
    host.isConnected = true;
    host.hops = 1;
  }
  const synth = database.findHost("synth")!;
  synth.program = "testagent";
  synth.version = "0.1";
  feed(synth, nowSec);
  return database;
}

function feed(host: Host, nowSec: number): void {
  const plugin = "localhost:35288";
  const temp = host.defineChart({
    id: "demo.temp",
    name: "temperature",
    title: "Room temperature",
    units: "Celsius",
    family: "room",
    priority: 1000,
    plugin,
  })!;
  const traffic = host.defineChart({
    id: "demo.b",
    title: "Stacked",
    units: "B/s",
    family: "net",
    chartType: "stacked",
    priority: 1001,
    plugin,
  })!;
  const row = new ValueRow();
  row.reserve(Math.max(TEMP.length, TRAFFIC.length));
  for (const [chart, dimensions] of [[temp, TEMP] as const, [traffic, TRAFFIC] as const]) {
    for (const { value: _, hidden = false, name, ...dimension } of dimensions) {
      host.defineDimension(chart, {
        ...dimension,
        name: name ?? dimension.id,
        hidden,
        noReset: false,
        obsolete: false,
      });
    }
    let elapsedUs = 0;
    for (let n = 1; FIRST_SEC - 1 + n <= nowSec; n++) {
      elapsedUs += 1_000_000;
      if (n >= LOST_FROM && n <= LOST_TO) continue;
      dimensions.forEach((dimension, index) => {
        row.set(index, dimension.value(n));
      });
      commitStreamed(chart, row, elapsedUs, (FIRST_SEC - 1 + n) * 1e6 + 500_000);
      elapsedUs = 0;
      row.clear();
    }
  }
}
