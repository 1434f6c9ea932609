import { join } from "node:path";

// bun run bench [quick]: prints every figure of the README's table of measured cost. Takes about 20 minutes.
const isQuick = process.argv.includes("quick");
const settle = isQuick ? "5" : "45";
const window = isQuick ? "5" : "20";

const steps: { name: string; args: string[] }[] = [
  { name: "(a) decode + collect + store from memory", args: ["decode.bench.ts", "20", "250", "10"] },
  { name: "(a) the same with 20 % holes", args: ["decode.bench.ts", "20", "250", "10", "20"] },
  { name: "(a) the same with every fourth chart percentages", args: ["decode.bench.ts", "20", "250", "10", "0", "4"] },
  { name: "(b) through TCP", args: ["stream.bench.ts", "parent", "20", "1000", "25", "0", settle, window] },
  { name: "(b) through TCP", args: ["stream.bench.ts", "parent", "20", "250", "10", "0", settle, window] },
  { name: "(b) through TCP", args: ["stream.bench.ts", "parent", "1000", "50", "10", "0", settle, window] },
  { name: "(c) proxy through TCP", args: ["stream.bench.ts", "proxy", "20", "1000", "25", "0", settle, window] },
  { name: "all that is agreed, and replication", args: ["negotiated.bench.ts", "20", "250", "10", settle, window] },
  { name: "memory per dimension", args: ["memory.bench.ts"] },
  { name: "delay collected → committed", args: ["delay.bench.ts", isQuick ? "10" : "60"] },
  { name: "child at 1 Hz", args: ["child.bench.ts", isQuick ? "10" : "60"] },
  { name: "child in mapped files", args: ["child.bench.ts", isQuick ? "10" : "130", "map"] },
  // A tenth of the largest parent: 3 GB of disk. The whole: storage.bench.ts 1000 100 15 130.
  { name: "database in files", args: ["storage.bench.ts", isQuick ? "5" : "100", "100", "15", isQuick ? "5" : "130"] },
  { name: "collectors", args: ["collectors.bench.ts"] },
  { name: "lines: raw copy, encoder, templates", args: ["encode.bench.ts"] },
  { name: "graphite lines", args: ["graphite.bench.ts"] },
  { name: "queries", args: ["query.bench.ts"] },
  { name: "queries beside netdata 1.37.1", args: ["query-peer.bench.ts"] },
];

for (const { name, args } of steps) {
  process.stdout.write(`\n== ${name}\n`);
  const [file = "", ...rest] = args;
  const child = Bun.spawn([process.execPath, join(import.meta.dir, file), ...rest], {
    stdout: "inherit",
    stderr: "inherit",
  });
  if ((await child.exited) !== 0) process.stdout.write(`${file} failed\n`);
}
