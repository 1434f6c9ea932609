import { describe, expect, test } from "bun:test";
import { lstatSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AddressList } from "../../agent/base/address-list.ts";
import type { AgentError } from "../../agent/base/errors.ts";
import type { ListenAddress } from "../../agent/base/listen-address.ts";
import { Client, DoorWorld, turn, until } from "./door-fixture.ts";

const HEAD = "STREAM key=1&os_name=Debian GNU/Linux&v=12 (bookworm) HTTP/1.1\r\nUser-Agent: a/1\r\n\r\n";

describe("a stream", () => {
  test("gets head, address and every byte after the head in order", async () => {
    using world = await DoorWorld.open();
    const client = await world.connect();
    const lines = Array.from({ length: 200_000 }, (_, i) => `SET d = ${i}\n`).join("");
    client.send(HEAD + lines);
    await until(() => world.streams[0]?.text.length === lines.length);
    const [stream] = world.streams;
    expect(stream!.head).toBe(HEAD);
    expect(stream!.address).toBe("127.0.0.1");
    expect(stream!.text === lines).toBe(true);
    client.socket.end();
  });

  test("whose request comes byte by byte is the same", async () => {
    using world = await DoorWorld.open();
    const client = await world.connect();
    for (const byte of `${HEAD}SET a = 1\n`) {
      client.send(byte);
      await turn();
    }
    await until(() => world.streams[0]?.text === "SET a = 1\n");
    expect(world.streams[0]!.head).toBe(HEAD);
    client.socket.end();
  });

  test("owns its socket: answers, FIN and close come to it alone, once", async () => {
    using world = await DoorWorld.open();
    const client = await world.connect();
    client.send(HEAD);
    await until(() => world.streams.length === 1);
    const [stream] = world.streams;
    stream!.socket.write(Buffer.from("Hit me baby"));
    await until(() => client.text === "Hit me baby");
    expect(world.door.counters.open).toBe(1);
    client.socket.shutdown();
    await until(() => stream!.closes === 1);
    expect([stream!.ends, stream!.closes, world.door.counters.open]).toEqual([1, 1, 0]);
    await client.untilClosed();
  });

  test("that closes the socket while it is being taken is told of the close", async () => {
    let closes = 0;
    const owner = { data() {}, drain() {}, end() {}, close: () => void closes++ };
    const words = new Map([
      [
        "STREAM",
        ({ socket }: { socket: { end(): void } }) => {
          socket.end();
          return owner;
        },
      ],
    ]);
    using world = await DoorWorld.open({ words });
    const client = await world.connect();
    client.send(`${HEAD}more`);
    await client.untilClosed();
    expect([closes, world.door.counters.open]).toEqual([1, 0]);
  });

  test("that is refused reads the refusal although it never stops sending", async () => {
    using world = await DoorWorld.open({ words: new Map([["STREAM", () => "You are not permitted"]]) });
    const client = await world.connect();
    client.send(`${HEAD}${"CHART a.b\n".repeat(50_000)}`);
    await until(() => client.isEnded && client.isSent);
    expect(client.text).toBe("You are not permitted");
    client.socket.end();
    await until(() => world.door.counters.open === 0);
  });

  test("that is refused and stays is cut after 5 s", async () => {
    using world = await DoorWorld.open({ words: new Map([["STREAM", () => ""]]) });
    const client = await world.connect();
    client.send(HEAD);
    await until(() => client.isEnded);
    expect([client.text, world.door.counters.open]).toEqual(["", 1]);
    world.clock.advance(4000);
    expect(world.door.counters.open).toBe(1);
    world.clock.advance(2000);
    expect(world.door.counters.open).toBe(0);
    expect(world.clock.pending).toBe(0);
    client.socket.end();
  });

  test("owner that throws costs its own connection only", async () => {
    const owner = {
      data() {
        throw new TypeError("cannot read");
      },
      drain() {},
      end() {},
      close() {},
    };
    using world = await DoorWorld.open({ words: new Map([["STREAM", () => owner]]) });
    const client = await world.connect();
    client.send(`${HEAD}x`);
    await client.untilClosed();
    expect(world.door.counters.refused.handler_failed).toBe(1);
    expect(world.log.lines).toContain("error door.handler_failed problem=cannot read");
    const other = await world.connect();
    other.send("GET / HTTP/1.0\r\nHost: x\r\n\r\n");
    expect(await other.untilClosed()).toContain("200 OK");
  });
});

describe("an unfinished request", () => {
  test("is not held against its sender when we were busy ourselves", async () => {
    using world = await DoorWorld.open();
    const client = await world.connect();
    client.send("STR");
    await until(() => world.door.counters.open === 1);
    await turn();
    world.clock.stall(30_000);
    expect(world.door.counters.open).toBe(1);
    world.clock.advance(1100);
    expect(world.door.counters.refused.head_timeout).toBe(1);
  });

  test.each(["", "STR", "STREAM ", HEAD.slice(0, -1)])("%p is closed after 10 s", async (start) => {
    using world = await DoorWorld.open();
    const client = await world.connect();
    if (start !== "") client.send(start);
    await until(() => world.door.counters.open === 1);
    await turn();
    world.clock.advance(9900);
    expect(world.door.counters.open).toBe(1);
    world.clock.advance(1100);
    expect(world.door.counters.open).toBe(0);
    expect(await client.untilClosed()).toBe("");
    expect(world.door.counters.refused.head_timeout).toBe(1);
    expect(world.clock.pending).toBe(0);
  });

  test("above 16 KiB is closed and counted", async () => {
    using world = await DoorWorld.open();
    const client = await world.connect();
    client.send(`STREAM ${"a".repeat(20_000)}`);
    expect(await client.untilClosed()).toBe("");
    expect(world.door.counters.refused.head_too_big).toBe(1);
    expect(world.streams.length).toBe(0);
  });

  test("ended by FIN is forgotten at once", async () => {
    using world = await DoorWorld.open();
    const client = await world.connect();
    client.send("STREAM k HTTP");
    client.socket.shutdown();
    expect(await client.untilClosed()).toBe("");
    await until(() => world.door.counters.open === 0);
  });

  test("of zero bytes closed by the client leaves nothing", async () => {
    using world = await DoorWorld.open();
    const client = await world.connect();
    await until(() => world.door.counters.open === 1);
    client.socket.terminate();
    await until(() => world.door.counters.open === 0);
    world.clock.advance(1000);
    expect(world.clock.pending).toBe(0);
  });
});

describe("who may come in", () => {
  test("a denied address is closed without a byte, and a new list counts at once", async () => {
    const none = new AddressList("10.0.0.0/8");
    const local = new AddressList("10.0.0.0/8 localhost");
    using world = await DoorWorld.open({ isAllowed: (address) => none.allows(address) });
    const denied = await world.connect();
    expect(await denied.untilClosed()).toBe("");
    expect(world.door.counters.refused.denied).toBe(1);
    expect(world.door.counters.accepted).toBe(0);
    expect(world.log.lines).toContain("warn door.connection_refused reason=denied address=127.0.0.1");
    world.door.updateAccess((address) => local.allows(address));
    const client = await world.connect();
    client.send(HEAD);
    await until(() => world.streams.length === 1);
    client.socket.end();
  });

  test("limits of all connections and of one address; a place freed is a place", async () => {
    const limits = { connections: 4, connectionsPerAddress: 3, httpConnections: 2 };
    using world = await DoorWorld.open({ limits, addresses: [{ kind: "tcp", host: "*", port: 0 }] });
    const inside: Client[] = [];
    for (let i = 1; i <= 3; i++) {
      inside.push(await world.connect());
      await until(() => world.door.counters.open === i);
    }
    const fromAddress = await world.connect();
    expect(await fromAddress.untilClosed()).toBe("");
    expect(world.door.counters.refused.too_many_from_address).toBe(1);
    inside.push(await Client.connect({ kind: "tcp", host: "::1", port: world.port }));
    await until(() => world.door.counters.open === 4);
    inside[0]!.socket.end();
    await until(() => world.door.counters.open === 3);
    const again = await world.connect();
    again.send(HEAD);
    await until(() => world.streams.length === 1);
    for (const client of [...inside, again]) client.socket.end();
  });

  test("too many of all addresses together", async () => {
    const limits = { connections: 2, connectionsPerAddress: 2, httpConnections: 1 };
    using world = await DoorWorld.open({ limits });
    const inside = [await world.connect(), await world.connect()];
    await until(() => world.door.counters.open === 2);
    expect(await (await world.connect()).untilClosed()).toBe("");
    expect(world.door.counters.refused.too_many).toBe(1);
    for (const client of inside) client.socket.end();
  });

  test("too many HTTP connections leave room for streams", async () => {
    const limits = { connections: 8, connectionsPerAddress: 8, httpConnections: 1 };
    using world = await DoorWorld.open({ limits });
    const first = await world.connect();
    first.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
    await until(() => first.text.includes("GET /a"));
    const second = await world.connect();
    second.send("GET /b HTTP/1.1\r\nHost: x\r\n\r\n");
    expect(await second.untilClosed()).toBe("");
    expect(world.door.counters.refused.too_many_http).toBe(1);
    const stream = await world.connect();
    stream.send(HEAD);
    await until(() => world.streams.length === 1);
    for (const client of [first, stream]) client.socket.end();
  });

  test("a low limit of open files lowers the limits and says so", async () => {
    using world = await DoorWorld.open({ openFilesMax: 1024 });
    const [line] = world.log.lines;
    expect(line).toStartWith("warn door.limit_lowered connections=384 http_connections=64 open_files=1024");
    expect(line).toContain("LimitNOFILE");
  });
});

describe("listening", () => {
  test("on a port in use names the port and what to do", async () => {
    using world = await DoorWorld.open();
    const { port } = world;
    const second = DoorWorld.open({ addresses: [{ kind: "tcp", host: "127.0.0.1", port }] });
    const error = (await second.then(
      () => null,
      (reason) => reason,
    )) as AgentError;
    expect(error.code).toBe("port_in_use");
    expect(error.message).toContain(`127.0.0.1:${port}: port ${port} is in use`);
    expect(error.message).toContain("--listen");
    expect(error.message).toContain("netdata on the same host sits on 19999");
  });

  test("on an address of another machine fails and closes what was open", async () => {
    const free: ListenAddress = { kind: "tcp", host: "127.0.0.1", port: await freePort() };
    const foreign: ListenAddress = { kind: "tcp", host: "192.0.2.1", port: 0 };
    await expect(DoorWorld.open({ addresses: [free, foreign] })).rejects.toThrow("192.0.2.1:0: ");
    using world = await DoorWorld.open({ addresses: [free] });
    expect(world.address).toEqual(free);
  });

  test("* hears IPv4, whose addresses show as IPv4", async () => {
    using world = await DoorWorld.open({ addresses: [{ kind: "tcp", host: "*", port: 0 }] });
    const client = await world.connect();
    client.send(HEAD);
    await until(() => world.streams.length === 1);
    expect(world.streams[0]!.address).toBe("127.0.0.1");
    expect(world.address).toEqual({ kind: "tcp", host: "*", port: world.port });
    client.socket.end();
  });

  test("localhost uses one port for all loopback addresses", async () => {
    using world = await DoorWorld.open({ addresses: [{ kind: "tcp", host: "localhost", port: 0 }] });
    const ports = world.door.addresses.map((address) => (address.kind === "tcp" ? address.port : -1));
    expect(new Set(ports).size).toBe(1);
    const client = await Client.connect(world.port);
    client.send(HEAD);
    await until(() => world.streams.length === 1);
    client.socket.end();
  });

  test("several addresses, unix socket included; a dead socket file is replaced, a living one is not", async () => {
    const folder = mkdtempSync(join(tmpdir(), "door-"));
    try {
      const path = join(folder, "door.sock");
      const local = new AddressList("localhost");
      const unix: ListenAddress = { kind: "unix", path };
      await leaveDeadSocket(path);
      using world = await DoorWorld.open({
        addresses: [{ kind: "tcp", host: "127.0.0.1", port: 0 }, unix],
        isAllowed: (address) => local.allows(address),
      });
      for (const address of world.door.addresses) {
        const client = await Client.connect(address);
        client.send("GET /x HTTP/1.0\r\nHost: x\r\n\r\n");
        expect(await client.untilClosed()).toContain("GET /x");
      }
      await expect(DoorWorld.open({ addresses: [unix] })).rejects.toThrow("another process listens on this socket");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

async function freePort(): Promise<number> {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = listener;
  listener.stop(true);
  return port;
}

/** Leaves a socket file that nobody listens on, as a killed process does. */
async function leaveDeadSocket(path: string): Promise<void> {
  const program = `Bun.listen({ unix: ${JSON.stringify(path)}, socket: { data() {} } }); process.kill(process.pid, "SIGKILL");`;
  await Bun.spawn([process.execPath, "-e", program], { stderr: "ignore" }).exited;
  expect(lstatSync(path).isSocket()).toBe(true);
}
