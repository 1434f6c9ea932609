/**
 * A peer that does harm as fast as it can, in a process of its own, until it is killed or its input ends: with the
 * test that started it.
 *   bun test/fuzz/hostile.ts child PORT KEY KIND SEED     streams to an agent
 *   bun test/fuzz/hostile.ts parent SEED                  prints its port, and is streamed to
 */
import { connect, createServer, type Socket } from "node:net";
import { FuzzChild } from "../fuzz-child.ts";
import { fuzzCommands } from "../fuzz-parent.ts";
import { SeededRandom } from "../seeded-random.ts";

const WIDE = 5000;
const BATCH_BYTES = 1_000_000;
const nowSec = () => Math.floor(Date.now() / 1000);
const chart = (every = 1, title = "") => `CHART w.c "" "${title}" "u" "" "" line 1 ${every}\n`;
const repeat = (count: number, line: (n: number) => string) =>
  Array.from({ length: count }, (_, n) => line(n)).join("");
const definition = () => chart() + repeat(WIDE, (n) => `DIMENSION d${n} "" absolute 1 1\n`);

/** What costs most, each as what comes first and what comes again and again. */
const KINDS: Record<string, { first: () => string; again: (random: SeededRandom) => string }> = {
  rows: {
    first: definition,
    again: () => {
      const row = (n: number) =>
        `RBEGIN '' ${nowSec() - 3000 + n} ${nowSec() - 2999 + n} ${nowSec()}\nRSET d${n} 1 ""\n`;
      return `RBEGIN w.c\n${repeat(2900, row)}REND 1 1 ${nowSec()} false 1 ${nowSec()} ${nowSec()}\n`;
    },
  },
  points: {
    first: definition,
    again: () => repeat(2900, (n) => `BEGIN2 w.c 0x1 ${nowSec() - 3000 + n} #\nSET2 d${n} 1 # A\nEND2\n`),
  },
  iterations: { first: definition, again: () => "BEGIN w.c 1000\nEND\n".repeat(20_000) },
  paces: { first: definition, again: () => repeat(5000, (n) => `${chart(1 + (n % 2))}BEGIN w.c 0\nSET d1 = 1\nEND\n`) },
  titles: { first: definition, again: () => repeat(5000, (n) => `${chart(1, `t${n}`)}BEGIN w.c 1000\nEND\n`) },
  labels: {
    first: definition,
    again: (random) => {
      const label = () =>
        `${chart()}CLABEL l${random.below(100)} v${random.below(1e9)} 1\nCLABEL_COMMIT\nBEGIN w.c 1000\nEND\n`;
      return repeat(3000, label) + repeat(5000, () => `LABEL l = 1 v${random.below(1e9)}\nOVERWRITE labels\n`);
    },
  },
  scales: {
    first: definition,
    again: () => repeat(5000, (n) => `DIMENSION d${n % WIDE} "" absolute ${1 + (n % 7)} 1\nBEGIN w.c 1000\nEND\n`),
  },
  states: {
    first: definition,
    again: () => {
      const us = (n: number) => (nowSec() - (n % 2) * 3000) * 1e6;
      return repeat(5000, (n) => `RBEGIN w.c\nRSSTATE ${us(n)} ${us(n)}\nREND 1 0 0 true 0 0 0\n`);
    },
  },
  charts: {
    first: () => "",
    again: () =>
      repeat(
        20_000,
        (n) => `CHART m.c${n} "" "" "" "" "" line 1 1\nDIMENSION x\nCHART_DEFINITION_END 1 ${nowSec()} ${nowSec()}\n`,
      ),
  },
  words: {
    first: () => "",
    again: (random) => {
      const child = new FuzzChild();
      let text = "";
      while (text.length < BATCH_BYTES / 4) text += child.write(random, nowSec());
      // A stream of nothing but bad lines is given up.
      return text.replaceAll(/DISABLE.*\n/g, "");
    },
  },
};

function streamTo(port: number, key: string, kind: string, seed: number): void {
  const random = new SeededRandom(seed);
  const { first, again } = KINDS[kind]!;
  const guid = `cccccccc-0000-0000-0000-${seed.toString(16).padStart(12, "0")}`;
  const socket = connect(port, "127.0.0.1");
  let batch = Buffer.alloc(0);
  let madeSec = 0;
  const pour = () => {
    // Texts hold times: they are made anew every now and then.
    if (nowSec() - madeSec > 5) {
      batch = Buffer.from(again(random), "latin1");
      madeSec = nowSec();
    }
    for (let n = 0; n < 100 && socket.write(batch); n++);
  };
  socket.on("connect", () => {
    socket.write(`STREAM key=${key}&hostname=${kind}&machine_guid=${guid}&update_every=1&ver=21184 HTTP/1.1\r\n\r\n`);
  });
  socket.once("data", () => {
    socket.write(first());
    pour();
  });
  socket.on("drain", pour).on("error", () => {});
  socket.on("close", () => setTimeout(() => streamTo(port, key, kind, seed), 200));
  socket.resume();
}

function receive(seed: number): void {
  const random = new SeededRandom(seed);
  const server = createServer((socket) => answer(socket, random));
  server.listen(0, "127.0.0.1", () => process.stdout.write(`${(server.address() as { port: number }).port}\n`));
}

/** Asks for all charts it has heard of, again and again, and takes whatever comes. */
function answer(socket: Socket, random: SeededRandom): void {
  const charts = new Set<string>();
  let isAsking = false;
  const ask = () => {
    if (socket.destroyed) return;
    const all = [...charts].map((id) => `REPLAY_CHART "${id}" "true" 1 ${nowSec()}\n`).join("");
    const text = random.chance(50) ? all.repeat(3) : fuzzCommands(random, [...charts].slice(0, 20), nowSec());
    if (socket.write(text, "latin1")) setTimeout(ask, 10);
    else socket.once("drain", ask);
  };
  socket.on("error", () => {});
  socket.on("data", (chunk) => {
    const text = chunk.toString("latin1");
    if (text.startsWith("STREAM ")) socket.write("Hit me baby, push them over with the version=4800");
    for (const [, id] of text.matchAll(/^CHART "([^"]+)"/gm)) if (charts.size < 10_000) charts.add(id!);
    if (!isAsking && charts.size > 0) ask();
    isAsking ||= charts.size > 0;
  });
}

process.stdin.on("end", () => process.exit(0)).resume();
const [role = "", ...args] = process.argv.slice(2);
if (role === "child") streamTo(Number(args[0]), args[1]!, args[2]!, Number(args[3]));
else receive(Number(args[0]));
