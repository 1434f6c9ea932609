import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { processCpuSec } from "./process-cpu.ts";
import { CHART, DIMENSIONS, POINTS, queryLoad } from "./query-load.ts";

// The same query to us and to a real netdata 1.37.1 in turn: CPU of each server's process per request, and the ratio.
// Both hold the same hour of points. netdata takes it by replication (streaming.md §9).
// bun test/bench/query-peer.bench.ts [ROUNDS]
const ROUNDS = Number(process.argv[2] ?? 9);
const REQUESTS = 60;
/** Rounds that only warm up: our code is compiled as it runs. */
const WARM_ROUNDS = 10;
const KEY = "11111111-2222-3333-4444-555555555555";
const PORT = 20_000 + (process.pid % 20_000);
const NAN_TEXT = 'NAN "E"';

const script = join(import.meta.dir, "../peers/netdata.sh");
const fromSec = Math.floor(Date.now() / 1000) - POINTS - 10;
const toSec = fromSec + POINTS - 1;
const rows = queryLoad(fromSec).rows;

/** All points as one answer to the first REPLAY_CHART. */
function replay(after: string, before: string): string {
  const nowSec = Math.floor(Date.now() / 1000);
  let text = `RBEGIN "${CHART}"\n`;
  for (const [timeSec, ...values] of rows) {
    text += `RBEGIN '' ${timeSec! - 1} ${timeSec} ${nowSec}\n`;
    values.forEach((value, i) => {
      text += `RSET "dimension_${i}" ${value === null ? NAN_TEXT : `${value} ""`}\n`;
    });
  }
  return `${text}REND 1 ${fromSec} ${toSec} true ${after} ${before} ${nowSec}\n`;
}

/** Plays a child that has the hour and nothing else. @returns once all of it is sent. */
async function replicate(port: number): Promise<Bun.Socket<undefined>> {
  const sent = Promise.withResolvers<void>();
  let heard = "";
  let rest: Buffer = Buffer.alloc(0);
  const flush = (socket: Bun.Socket<undefined>) => {
    rest = rest.subarray(Math.max(0, socket.write(rest)));
    if (heard === "" && rest.length === 0) sent.resolve();
  };
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: {
      data(socket, chunk) {
        heard += chunk.toString();
        if (heard.includes("Hit me baby")) {
          heard = heard.slice(heard.indexOf("Hit me baby") + 1);
          const dimensions = Array.from(
            { length: DIMENSIONS },
            (_, i) => `DIMENSION "dimension_${i}" "" "absolute" 1 1 ""\n`,
          );
          rest = Buffer.from(
            `CHART "${CHART}" "" "Bench" "units" "bench" "${CHART}" "line" 1 1 "" "bench" "bench"\n${dimensions.join("")}` +
              `CHART_DEFINITION_END ${fromSec} ${toSec} ${Math.floor(Date.now() / 1000)}\n`,
          );
          flush(socket);
        }
        const asked = /REPLAY_CHART "[^"]*" "[a-z]*" (\d+) (\d+)\n/.exec(heard);
        if (asked === null) return;
        heard = "";
        rest = Buffer.concat([rest, Buffer.from(replay(asked[1]!, asked[2]!))]);
        flush(socket);
      },
      drain: flush,
      error: (_, error) => sent.reject(error),
      close: () => sent.reject(new Error("netdata closed the stream")),
    },
  });
  socket.write(
    `STREAM key=${KEY}&hostname=bench&machine_guid=aaaaaaaa-0000-0000-0000-000000000001&os=linux&update_every=1&` +
      "hops=1&ver=4800 HTTP/1.1\r\n\r\n",
  );
  await sent.promise;
  return socket;
}

/** One server under measurement. */
interface Server {
  readonly name: string;
  readonly pid: number;
  readonly base: string;
}

const QUERY = `api/v1/data?chart=${CHART}&after=${fromSec}&before=${toSec}`;

async function get(server: Server, query: string, encoding: string): Promise<ArrayBuffer> {
  const response = await fetch(server.base + query, { headers: { "accept-encoding": encoding }, decompress: false });
  if (!response.ok) throw new Error(`${server.name} answered ${response.status}`);
  return response.arrayBuffer();
}

/** Waits until a server's newest row and its oldest are there. */
async function untilFilled(server: Server): Promise<void> {
  for (;;) {
    try {
      const answer = JSON.parse(Buffer.from(await get(server, QUERY, "identity")).toString()) as { data: number[][] };
      if (answer.data.filter((row) => row[1] !== null).length >= POINTS - 1) return;
    } catch (error) {
      if (performance.now() > 60_000) throw error;
    }
    if (performance.now() > 60_000) throw new Error(`${server.name} was not filled`);
    await Bun.sleep(200);
  }
}

const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!;

/** Asks both in turn, request by request: whatever else the machine does meets both alike. */
async function compare(servers: readonly [Server, Server], what: string, query: string, encoding = "identity") {
  const perRequestMs: [number[], number[]] = [[], []];
  const bytes = [0, 0];
  for (let round = -WARM_ROUNDS; round < ROUNDS; round++) {
    const before = servers.map(({ pid }) => processCpuSec(pid));
    for (let i = 0; i < REQUESTS; i++) {
      for (const k of [0, 1] as const) bytes[k] = (await get(servers[k], query, encoding)).byteLength;
    }
    if (round < 0) continue;
    for (const k of [0, 1] as const) {
      perRequestMs[k].push(((processCpuSec(servers[k].pid) - before[k]!) * 1000) / REQUESTS);
    }
  }
  const [ours, theirs] = perRequestMs;
  const ratio = median(ours.map((ms, i) => ms / theirs[i]!));
  const shown = (ms: number[], size: number) => `${median(ms).toFixed(2).padStart(5)} ms for ${size} bytes`;
  process.stdout.write(
    `${what.padEnd(38)} ${shown(ours, bytes[0]!)}, netdata ${shown(theirs, bytes[1]!)}: ratio ${ratio.toFixed(2)}\n`,
  );
}

const directory = mkdtempSync(join(tmpdir(), "tributary-bench-"));
// An hour is asked for in one step.
const options = [`stream:${KEY}/seconds per replication step=7200`, `stream:${KEY}/seconds to replicate=86400`];
const started = Bun.spawnSync([script, "start", directory, String(PORT), "parent", ...options], {
  env: { ...process.env, MODE: "ram", HISTORY: "4000" },
});
const netdata: Server = {
  name: "netdata",
  pid: Number(started.stdout.toString().trim()),
  base: `http://127.0.0.1:${PORT}/host/bench/`,
};
const child = Bun.spawn([process.execPath, join(import.meta.dir, "query-server.ts"), String(fromSec)], {
  stdin: "pipe",
  stdout: "pipe",
});
try {
  const reader = child.stdout.getReader();
  const port = new TextDecoder().decode((await reader.read()).value).trim();
  // Both get a path of the same shape.
  const us: Server = { name: "tributary", pid: child.pid, base: `http://127.0.0.1:${port}/host/bench/` };
  const stream = await replicate(PORT);
  const servers = [us, netdata] as const;
  for (const server of servers) await untilFilled(server);
  process.stdout.write(
    `${DIMENSIONS} dimensions x ${POINTS} points over loopback, median of ${ROUNDS} rounds of ${REQUESTS} requests\n`,
  );
  await compare(servers, "json", QUERY);
  await compare(servers, "json, gzip", QUERY, "gzip");
  await compare(servers, "json, 600 averages of 6", `${QUERY}&points=600`);
  await compare(servers, "json, one row (what a request costs)", `${QUERY}&points=1`);
  stream.end();
} finally {
  child.stdin.end();
  Bun.spawnSync([script, "stop", directory]);
  rmSync(directory, { recursive: true, force: true });
}
