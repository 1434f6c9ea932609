import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { DoorWorld, turn, until } from "./door-fixture.ts";

/** Open descriptors of this process. */
const openFiles = () => readdirSync("/proc/self/fd").length;

/** Opens a door with a stream, an HTTP and a silent client, and closes it. */
async function round(): Promise<void> {
  const world = await DoorWorld.open();
  const clients = [await world.connect(), await world.connect(), await world.connect()];
  clients[0]!.send("STREAM k HTTP/1.1\r\n\r\n");
  clients[1]!.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  await until(() => world.streams.length === 1 && clients[1]!.text.endsWith("GET /"));
  await until(() => world.door.counters.open === 3);
  world[Symbol.dispose]();
  expect(world.streams[0]!.closes).toBe(1);
  expect(world.door.counters).toMatchObject({ open: 0, httpOpen: 0 });
  expect(world.clock.pending).toBe(0);
  for (const client of clients) await client.untilClosed();
}

test("50 doors opened and closed leave no descriptor and no timer", async () => {
  await round();
  for (let i = 0; i < 20; i++) await turn();
  const before = openFiles();
  for (let i = 0; i < 50; i++) await round();
  await until(() => openFiles() <= before);
});

test("a disposed door lets nobody in", async () => {
  const world = await DoorWorld.open();
  world[Symbol.dispose]();
  await expect(world.connect()).rejects.toThrow();
});
