import type { Chart } from "../rrd/chart.ts";
import { Database } from "../rrd/database.ts";
import type { Host } from "../rrd/host.ts";
import { StreamDecoder } from "../wire/decode.ts";
import { HostWriter } from "./host-writer.ts";

const ROUNDS = 150;
const START_SEC = 1_700_000_000;
const SMALL_CHUNK_BYTES = 7;

/** Streams the rehearsed host on, in a proxy. */
export interface RehearsalLink extends Disposable {
  /** Sends what was committed, as after every chunk of a real child. */
  flush(): void;
  /** Resolves once the link carries values; it starts with the first flush. */
  connected(): Promise<void>;
}

/**
 * Plays a child to ourselves at start, with everything that is rare in real streams: holes, counters that fall, long
 * and negative numbers, odd intervals, new laps, unknown lines, tiny chunks. Compiled code that never saw a branch is
 * thrown away when it first meets it, which otherwise happens minutes later under full load (hot-path.md §5.1). Takes
 * 20–40 ms of CPU on a quiet machine; children need not pay it.
 * @param attach for a proxy: sets the listener of the host.
 */
export async function rehearse(attach: ((host: Host) => RehearsalLink) | null): Promise<void> {
  const database = new Database(
    {
      memoryBytes: 64 * 2 ** 20,
      hosts: 1,
      chartsPerHost: 100,
      dimensionsPerChart: 1000,
      newChartsPerMinute: Number.POSITIVE_INFINITY,
    },
    () => {},
  );
  const alone = addHost(database);
  playRounds(newDecoder(alone), 0, ROUNDS, () => {});
  database.removeHost(alone);
  if (attach === null) return;
  const host = addHost(database);
  using link = attach(host);
  const decoder = newDecoder(host);
  playRounds(decoder, 0, 1, () => link.flush());
  await link.connected();
  playRounds(decoder, 1, ROUNDS, () => link.flush());
  database.removeHost(host);
}

function addHost(database: Database): Host {
  return database.addHost({
    machineGuid: "rehearsal",
    hostname: "rehearsal",
    os: "linux",
    updateEverySec: 1,
    historyEntries: 128,
    memoryMode: "ram",
    gapIterations: 3,
    isLocal: false,
  })!;
}

function newDecoder(host: Host): StreamDecoder<Chart> {
  const decoder = new StreamDecoder(new HostWriter(host, { problem() {}, disable() {} }));
  decoder.feed(Buffer.from(definitions()), START_SEC * 1e6);
  return decoder;
}

function playRounds(decoder: StreamDecoder<Chart>, from: number, to: number, flush: () => void): void {
  for (let round = from; round < to; round++) {
    const nowUs = (START_SEC + round) * 1e6 + 500_000;
    const bytes = Buffer.from(lines(round));
    const chunkBytes = round % 10 === 9 ? SMALL_CHUNK_BYTES : bytes.length;
    for (let at = 0; at < bytes.length; at += chunkBytes) {
      decoder.feed(bytes.subarray(at, at + chunkBytes), nowUs);
      flush();
    }
  }
}

const CHARTS = [
  { id: "rehearsal.counters", algorithm: "incremental", prefix: "c" },
  { id: "rehearsal.gauges", algorithm: "absolute", prefix: "a_gauge_with_a_long_name_" },
  { id: "rehearsal.shares", algorithm: "percentage-of-incremental-row", prefix: "share" },
  { id: "rehearsal.parts", algorithm: "percentage-of-absolute-row", prefix: "part" },
];
const DIMENSIONS = 6;

function definitions(): string {
  let text = "";
  for (const { id, algorithm, prefix } of CHARTS) {
    text += `CHART "${id}" "" "Rehearsal" "units" "family" "context" "line" 1000 1 "" "rehearsal" ""\n`;
    for (let index = 0; index < DIMENSIONS; index++) {
      const own = index === DIMENSIONS - 1 ? "incremental" : algorithm;
      text += `DIMENSION "${prefix}${index}" "" "${own}" ${index % 2 === 0 ? 1 : -8} 1000 ""\n`;
    }
  }
  return text;
}

function lines(round: number): string {
  let text = round % 40 === 39 ? "REHEARSAL of an unknown line\nVARIABLE HOST processors = 2\n" : "";
  for (const { id, prefix } of CHARTS) {
    text += `BEGIN ${id} ${intervalUs(round)}\n`;
    for (let index = 0; index < DIMENSIONS; index++) {
      // A hole now and then, and a dimension that comes twice.
      if ((round + index) % 17 === 16) continue;
      text += `SET ${prefix}${index} = ${valueAt(round, index)}\n`;
      if ((round * 7 + index) % 53 === 52) text += `SET ${prefix}${index} = ${valueAt(round, index)}\n`;
    }
    text += "END\n";
  }
  return text;
}

/** Mostly a second; 0 as for a minute after a connect, late ones, two boundaries at once, two in one second. */
function intervalUs(round: number): number {
  if (round < 3) return 0;
  if (round % 29 === 28) return 2_100_000;
  if (round % 31 === 30) return 200_000;
  return 1_000_000 + (round % 5) * 7;
}

/** Numbers of every length, some negative, counters that fall and wrap. */
function valueAt(round: number, index: number): string {
  if (round % 23 === 22 && index === 0) return "3";
  if (index === 1) return String(-1000 - round);
  if (index === 2) return String(123_456_789 + round * 1000);
  if (index === 3) return String(123_456_789_012 + round * 100_000);
  if (index === 4 && round > 100) return (9_100_000_000_000_000n + BigInt(round)).toString();
  return String(round * 100 + index);
}
