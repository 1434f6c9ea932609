/**
 * A small steady load on processors, memory, disk and loopback, so that many values of this machine change:
 *   bun test/peer/load.ts FOLDER
 * It ends when its stdin does, so it never outlives the test that started it.
 */
import { createSocket } from "node:dgram";
import { closeSync, fsyncSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";

const STEP_MS = 100;
/** Of each step, on one processor. */
const BUSY_MS = 12;
const WRITE_BYTES = 256 * 1024;
const PAGE_BYTES = 4096;
const TOUCHED_BYTES = 4 * 2 ** 20;
const DATAGRAMS = 10;

const folder = process.argv[2];
if (folder === undefined) throw new Error("usage: load.ts FOLDER");
process.stdin.on("end", () => process.exit(0)).resume();

const block = Buffer.alloc(WRITE_BYTES, "tributary");
const file = join(folder, "load.bin");
const server = createServer((socket) => socket.on("error", () => {}).pipe(socket));
const udp = createSocket("udp4").bind(0, "127.0.0.1");

function burn(): void {
  const endMs = performance.now() + BUSY_MS;
  let sum = 0;
  while (performance.now() < endMs) for (let i = 0; i < 1000; i++) sum += Math.sqrt(i);
  if (sum < 0) throw new Error("impossible");
}

function touchMemory(): void {
  const pages = Buffer.allocUnsafeSlow(TOUCHED_BYTES);
  for (let at = 0; at < pages.length; at += PAGE_BYTES) pages[at] = at & 0xff;
}

function useDisk(): void {
  const fd = openSync(file, "w+");
  writeSync(fd, block);
  fsyncSync(fd);
  readSync(fd, block, 0, block.length, 0);
  closeSync(fd);
  rmSync(file);
}

function useNetwork(port: number): void {
  const socket: Socket = connect(port, "127.0.0.1", () => socket.end(block.subarray(0, 20_000)));
  socket.on("error", () => {}).resume();
  for (let i = 0; i < DATAGRAMS; i++) udp.send(block.subarray(0, 200), udp.address().port, "127.0.0.1");
}

server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  setInterval(() => {
    burn();
    touchMemory();
    useDisk();
    useNetwork(port);
  }, STEP_MS);
});
