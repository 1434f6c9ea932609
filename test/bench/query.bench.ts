import { createSystemClock } from "../../agent/base/clock.ts";
import { type QueryRequest, runQuery } from "../../agent/rrd/query.ts";
import { ask, newApi } from "../http-fixture.ts";
import { addHost, newDatabase, storeChart } from "../query-fixture.ts";
import { CHART, DIMENSIONS, POINTS, queryLoad } from "./query-load.ts";

// A query of 10 dimensions × 3600 points: CPU of the process per request, beside JSON.stringify of the same rows.
// bun test/bench/query.bench.ts; query-peer.bench.ts asks a real netdata the same.
const RUNS = 9;
const REQUESTS = 40;

const nowSec = Math.floor(Date.now() / 1000);
const fromSec = nowSec - POINTS;
const database = newDatabase();
const chart = storeChart(addHost(database, "bench", "1", { isLocal: true }), queryLoad(fromSec));

const api = newApi(database, createSystemClock());
const window = `chart=${CHART}&after=${fromSec}&before=${fromSec + POINTS - 1}`;

const request: QueryRequest = {
  after: fromSec,
  before: fromSec + POINTS - 1,
  points: 0,
  gtimeSec: 0,
  unaligned: false,
  naturalPoints: false,
  virtualPoints: false,
  selects: null,
  group: "average",
  groupOptions: "",
  absolute: false,
  percentage: false,
  nonzero: false,
};

function stringified(): number {
  const { columns, window: rows, timeOf } = runQuery(chart, request, nowSec)!;
  const data = Array.from({ length: rows.rows }, (_, row) => {
    return [timeOf(row), ...columns.map(({ values }) => (Number.isNaN(values[row]!) ? null : values[row]!))];
  });
  const labels = ["time", ...columns.map((column) => column.name)];
  return new TextEncoder().encode(JSON.stringify({ labels, data })).length;
}

/** @returns median CPU ms (user + system, all threads) of one call, and the bytes it made. */
async function measure(run: () => number | Promise<number>): Promise<{ ms: number; bytes: number }> {
  let bytes = 0;
  for (let i = 0; i < REQUESTS; i++) bytes = await run();
  const perCall: number[] = [];
  for (let i = 0; i < RUNS; i++) {
    Bun.gc(true);
    const before = process.cpuUsage();
    for (let k = 0; k < REQUESTS; k++) await run();
    const { user, system } = process.cpuUsage(before);
    perCall.push((user + system) / 1000 / REQUESTS);
  }
  perCall.sort((a, b) => a - b);
  return { ms: perCall[RUNS >> 1]!, bytes };
}

async function get(query: string): Promise<number> {
  return (await ask(api, `/api/v1/data?${query}`).arrayBuffer()).byteLength;
}

async function print(name: string, run: () => number | Promise<number>): Promise<void> {
  const { ms, bytes } = await measure(run);
  process.stdout.write(`${name.padEnd(46)} ${ms.toFixed(2).padStart(7)} ms CPU  ${String(bytes).padStart(8)} bytes\n`);
}

process.stdout.write(`${DIMENSIONS} dimensions x ${POINTS} points, median of ${RUNS} x ${REQUESTS} requests\n`);
await print("/api/v1/data json, stored points", () => get(window));
await print("/api/v1/data json, jsonwrap", () => get(`${window}&options=jsonwrap`));
await print("/api/v1/data csv, seconds", () => get(`${window}&format=csv&options=seconds`));
await print("/api/v1/data csv, dates", () => get(`${window}&format=csv`));
await print("/api/v1/data json, 600 averages of 6", () => get(`${window}&points=600`));
await print("reading alone", () => runQuery(chart, request, nowSec)!.pointsRead);
await print("baseline: the same rows through JSON.stringify", stringified);
