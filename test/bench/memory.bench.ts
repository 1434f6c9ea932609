import { readFileSync } from "node:fs";
import { HostWriter } from "../../agent/receiver/host-writer.ts";
import { Database } from "../../agent/rrd/database.ts";
import { StreamDecoder } from "../../agent/wire/decode.ts";
import { ChildLoad } from "./load.ts";

// Memory beside the ring for 500,000 dimensions, alike and with unique ids: bun memory.bench.ts
const NOW_US = 1_700_000_000_500_000;

function measure(children: number, charts: number, dimensions: number, isUnique: boolean): void {
  Bun.gc(true);
  const before = rssAnonBytes();
  const database = new Database(
    {
      memoryBytes: 2 ** 40,
      hosts: children,
      chartsPerHost: charts,
      dimensionsPerChart: dimensions,
      newChartsPerMinute: Number.POSITIVE_INFINITY,
    },
    () => {},
  );
  const load = new ChildLoad({ charts, dimensions, holes: 0, percentageEvery: 0 });
  const kept: unknown[] = [database];
  for (let child = 0; child < children; child++) {
    const host = database.addHost({
      machineGuid: `memory-${child}`,
      hostname: `memory-${child}`,
      os: "linux",
      updateEverySec: 1,
      historyEntries: 3600,
      memoryMode: "none",
      gapIterations: 3,
      isLocal: false,
    })!;
    const decoder = new StreamDecoder(new HostWriter(host, { problem() {}, disable() {} }));
    const rename = (bytes: Buffer) => (isUnique ? uniqueIds(bytes, child) : bytes);
    decoder.feed(rename(load.definitions()), NOW_US);
    for (let tick = 0; tick < 3; tick++) decoder.feed(rename(Buffer.from(load.tick(tick, true))), NOW_US + tick * 1e6);
    kept.push(decoder);
  }
  Bun.gc(true);
  const perDimension = (rssAnonBytes() - before) / (children * charts * dimensions);
  process.stdout.write(
    `${children} × ${charts} × ${dimensions}${isUnique ? ", unique ids" : ""}: ${perDimension.toFixed(0)} bytes a dimension beside the ring\n`,
  );
  if (kept.length === 0) throw new Error("everything must stay alive until here");
}

/** Every dimension id of every chart differs from all others. */
function uniqueIds(bytes: Buffer, child: number): Buffer {
  let chart = 0;
  const lines = bytes.toString().split("\n");
  const renamed = lines.map((line) => {
    if (line.startsWith("CHART ") || line.startsWith("BEGIN ")) chart++;
    return line.replace(/^(SET |DIMENSION ")dim(\d+)/, `$1d${child}_${chart}_$2`);
  });
  return Buffer.from(renamed.join("\n"));
}

function rssAnonBytes(): number {
  const status = readFileSync("/proc/self/status", "utf8");
  return Number(/RssAnon:\s*(\d+)/.exec(status)?.[1] ?? 0) * 1024;
}

const [kind] = process.argv.slice(2);
if (kind === undefined) {
  // Each in a process of its own, so that none inherits the heap of another.
  for (const name of ["alike", "unique", "small"]) {
    Bun.spawnSync([process.execPath, import.meta.path, name], { stdout: "inherit", stderr: "inherit" });
  }
} else if (kind === "alike") measure(20, 1000, 25, false);
else if (kind === "unique") measure(20, 1000, 25, true);
else measure(1000, 50, 10, false);
