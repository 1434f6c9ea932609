import { describe, expect, test } from "bun:test";
import { BugError } from "../../agent/base/errors.ts";
import type { HttpHandler } from "../../agent/base/http-handler.ts";
import { Client, DoorWorld, turn, until } from "./door-fixture.ts";

const get = (path: string, ...headers: string[]) =>
  `GET ${path} HTTP/1.1\r\n${["Host: x", ...headers].join("\r\n")}\r\n\r\n`;

/** Sends raw bytes on a new connection. @returns everything until the agent closes. */
async function exchange(world: DoorWorld, bytes: string): Promise<string> {
  const client = await world.connect();
  client.send(bytes);
  return await client.untilClosed();
}

describe("HTTP through the door", () => {
  const closing: { name: string; request: string; status: string; body?: string }[] = [
    { name: "GET", request: get("/a", "Connection: close"), status: "HTTP/1.1 200 OK", body: "GET /a" },
    { name: "HTTP/1.0", request: "GET /a HTTP/1.0\r\nHost: x\r\n\r\n", status: "HTTP/1.1 200 OK", body: "GET /a" },
    { name: "HTTP/1.0 without Host", request: "GET /a HTTP/1.0\r\n\r\n", status: "HTTP/1.1 200 OK", body: "GET /a" },
    { name: "HTTP/1.1 without Host", request: "GET /a HTTP/1.1\r\n\r\n", status: "HTTP/1.1 400 Bad Request" },
    {
      name: "OPTIONS",
      request: "OPTIONS /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
      status: "HTTP/1.1 200 OK",
      body: "OPTIONS /a",
    },
    {
      name: "POST with body",
      request: "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
      status: "HTTP/1.1 200 OK",
      body: "hello",
    },
    {
      name: "POST above the limit",
      request: "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 70000\r\n\r\n",
      status: "HTTP/1.1 413 ",
    },
    { name: "garbage", request: "lalala\r\n\r\n", status: "HTTP/1.1 400 Bad Request" },
    { name: "zero bytes", request: "\0\0\0\0\r\n\r\n", status: "HTTP/1.1 400 Bad Request" },
    { name: "16 bytes without a blank", request: "ABCDEFGHIJKLMNOP\r\n\r\n", status: "HTTP/1.1 400 Bad Request" },
    { name: "unknown method", request: "BREW / HTTP/1.1\r\nHost: x\r\n\r\n", status: "HTTP/1.1 400 Bad Request" },
    { name: "head above 16 KiB", request: get(`/${"a".repeat(20_000)}`), status: "HTTP/1.1 431 " },
    { name: "endless head", request: "GET /".padEnd(400_000, "a"), status: "HTTP/1.1 431 " },
  ];
  const handler: HttpHandler = async (request) => {
    const { pathname } = new URL(request.url, "http://door");
    return new Response(pathname === "/echo" ? await request.text() : `${request.method} ${pathname}`);
  };

  test.each(closing)("$name is answered and closed", async ({ request, status, body }) => {
    using world = await DoorWorld.open({ http: handler });
    const answer = await exchange(world, request);
    expect(answer).toStartWith(status);
    if (body !== undefined) expect(answer).toEndWith(`\r\n\r\n${body}`);
    await until(() => world.door.counters.httpOpen === 0 && world.door.counters.open === 0);
  });

  test("HEAD has the headers of GET and no body", async () => {
    using world = await DoorWorld.open();
    const answer = await exchange(world, "HEAD /abc HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    expect(answer).toStartWith("HTTP/1.1 200 OK");
    expect(answer.toLowerCase()).toContain("content-length: 9\r\n");
    expect(answer).toEndWith("\r\n\r\n");
  });

  test("keep-alive, pipelining and a head byte by byte on one connection", async () => {
    using world = await DoorWorld.open();
    const client = await world.connect();
    client.send(get("/1"));
    await until(() => client.text.endsWith("GET /1"));
    client.send(get("/2") + get("/3") + get("/4"));
    await until(() => client.text.endsWith("GET /4"));
    for (const byte of get("/5")) {
      client.send(byte);
      await turn();
    }
    await until(() => client.text.endsWith("GET /5"));
    expect(client.text.match(/GET \/\d/g)).toEqual(["GET /1", "GET /2", "GET /3", "GET /4", "GET /5"]);
    expect(world.door.counters).toMatchObject({ accepted: 1, httpOpen: 1, httpRequests: 5 });
    expect(world.door.counters.httpBytesIn).toBe(5 * get("/1").length);
    expect(world.door.counters.httpBytesOut).toBe(client.bytesRead);
    client.socket.end();
    await until(() => world.door.counters.httpOpen === 0 || client.isClosed);
  });

  test("a request pipelined behind one that is not answered yet ends the connection without a false answer", async () => {
    using world = await DoorWorld.open({ http: () => new Promise(() => {}) });
    expect(await exchange(world, get("/1") + get("/2"))).toBe("");
    await until(() => world.door.counters.open === 0);
  });

  test("a client that half-closes still gets its slow answer, then the end", async () => {
    const gate = Promise.withResolvers<void>();
    using world = await DoorWorld.open({
      http: async () => {
        await gate.promise;
        return new Response("late");
      },
    });
    const client = await world.connect();
    client.send(get("/"));
    client.socket.shutdown();
    await until(() => world.door.counters.httpRequests === 1);
    world.clock.advance(5000);
    gate.resolve();
    await until(() => client.text.endsWith("late"));
    world.clock.advance(2000);
    await client.untilClosed();
    expect(world.door.counters.httpOpen).toBe(0);
  });

  test("a handler that throws gives a bare 500 and a log line", async () => {
    const handlers: HttpHandler[] = [
      () => {
        throw new TypeError("sync fault");
      },
      () => Promise.reject(new TypeError("async fault")),
    ];
    for (const http of handlers) {
      using world = await DoorWorld.open({ http });
      const answer = await exchange(world, get("/", "Connection: close"));
      expect(answer).toStartWith("HTTP/1.1 500 ");
      expect(answer).not.toContain("fault");
      expect(world.log.lines.join()).toContain("error door.request_failed problem=");
    }
  });

  test("a bug in a handler reaches the process", async () => {
    const program = `
      import { openDoor } from ${JSON.stringify(`${import.meta.dir}/../../agent/door/door.ts`)};
      import { createSystemClock } from ${JSON.stringify(`${import.meta.dir}/../../agent/base/clock.ts`)};
      import { silentLog } from ${JSON.stringify(`${import.meta.dir}/../../agent/base/log.ts`)};
      import { BugError } from ${JSON.stringify(`${import.meta.dir}/../../agent/base/errors.ts`)};
      process.on("uncaughtException", (error) => process.exit(error instanceof BugError ? 70 : 1));
      const door = await openDoor({ addresses: [{ kind: "tcp", host: "127.0.0.1", port: 0 }], words: new Map(),
        http: () => { throw new BugError("broken"); }, isAllowed: () => true, idleMs: 60_000,
        clock: createSystemClock(), log: silentLog });
      await fetch("http://127.0.0.1:" + door.addresses[0].port);
    `;
    expect(new BugError("x")).toBeInstanceOf(Error);
    expect(await Bun.spawn([process.execPath, "-e", program], { stdio: ["ignore", "ignore", "ignore"] }).exited).toBe(
      70,
    );
  });
});

describe("the client's address", () => {
  test("is right for every one of many clients at once", async () => {
    using world = await DoorWorld.open({
      addresses: [{ kind: "tcp", host: "*", port: 0 }],
      http: async (request, { address }) => {
        await turn();
        return new Response(`${new URL(request.url, "http://door").pathname} ${address}|`);
      },
    });
    const hosts = ["127.0.0.1", "::1"];
    const clients = await Promise.all(
      Array.from({ length: 100 }, (_, i) => Client.connect({ kind: "tcp", host: hosts[i % 2]!, port: world.port })),
    );
    for (let round = 1; round <= 5; round++) {
      for (const [i, client] of clients.entries()) client.send(get(`/${i}`));
      await until(() => clients.every((client) => client.text.split("|").length === round + 1));
    }
    for (const [i, client] of clients.entries()) {
      expect([...(client.text.match(/\/\d+ [\w.:]+\|/g) ?? [])]).toEqual(
        Array<string>(5).fill(`/${i} ${hosts[i % 2]}|`),
      );
      client.socket.end();
    }
  });

  test("a connection to the private port that did not come through the door gets 403", async () => {
    using world = await DoorWorld.open();
    const stranger = await Client.connect(world.door.innerPort);
    stranger.send(get("/"));
    await until(() => stranger.text.includes("resource."));
    expect(stranger.text).toStartWith("HTTP/1.1 403 ");
    expect(stranger.text).toEndWith("You are not allowed to access this resource.");
    expect(world.door.counters).toMatchObject({ httpStrangers: 1, httpRequests: 0 });
    stranger.socket.end();
  });
});

describe("a slow reader", () => {
  const SIZE = 50 * 1024 * 1024;

  test("gets all of a 50 MB answer, and next to nothing waits in the door", async () => {
    const body = Buffer.alloc(SIZE);
    for (let i = 0; i < SIZE; i += 4) body.writeUInt32LE(i, i);
    using world = await DoorWorld.open({ http: () => new Response(body) });
    const client = await world.connect();
    client.keepText = false;
    client.socket.pause();
    client.send(get("/"));
    // Whatever the kernel takes, it takes: then nothing moves any more.
    let sent = -1;
    while (sent !== world.door.counters.httpBytesOut || sent === 0) {
      sent = world.door.counters.httpBytesOut;
      for (let i = 0; i < 200; i++) await turn();
    }
    expect(sent).toBeLessThan(SIZE / 2);
    client.socket.resume();
    await until(() => client.bytesRead > SIZE);
    expect(client.bytesRead).toBe(world.door.counters.httpBytesOut);
    client.socket.end();
  });

  test("that never reads is reset after the idle limit", async () => {
    const body = Buffer.alloc(SIZE);
    using world = await DoorWorld.open({ http: () => new Response(body), idleMs: 30_000 });
    const client = await world.connect();
    client.socket.pause();
    client.send(get("/"));
    let sent = -1;
    while (sent !== world.door.counters.httpBytesOut || sent === 0) {
      sent = world.door.counters.httpBytesOut;
      for (let i = 0; i < 200; i++) await turn();
    }
    world.clock.advance(29_000);
    expect(world.door.counters.open).toBe(1);
    world.clock.advance(3000);
    expect(world.door.counters.open).toBe(0);
    expect(world.door.counters.refused.http_stalled).toBe(1);
    client.socket.terminate();
  });

  test("of an event stream holds its producer back", async () => {
    let produced = 0;
    let isCancelled = false;
    const event = new TextEncoder().encode(`data: ${"x".repeat(64 * 1024)}\n\n`);
    const http: HttpHandler = () => {
      const body = new ReadableStream<Uint8Array>({
        async pull(controller) {
          await turn();
          produced += event.length;
          controller.enqueue(event);
        },
        cancel() {
          isCancelled = true;
        },
      });
      return new Response(body, { headers: { "Content-Type": "text/event-stream" } });
    };
    using world = await DoorWorld.open({ http });
    const client = await world.connect();
    client.keepText = false;
    client.send(get("/"));
    await until(() => client.bytesRead > 3 * event.length);
    client.socket.pause();
    let before = -1;
    while (before !== produced) {
      before = produced;
      for (let i = 0; i < 500; i++) await turn();
    }
    // Kernel buffers of two connections and one pipe of 1 MiB lie between producer and reader.
    expect(produced - client.bytesRead).toBeLessThan(32 * 1024 * 1024);
    client.socket.resume();
    await until(() => produced > before + 10 * event.length);
    client.socket.terminate();
    await until(() => isCancelled && world.door.counters.httpOpen === 0);
  });
});

describe("times", () => {
  test("a keep-alive client is closed after the idle limit, counted from its last answer", async () => {
    using world = await DoorWorld.open({ idleMs: 20_000 });
    const client = await world.connect();
    client.send(get("/1"));
    await until(() => client.text.endsWith("GET /1"));
    world.clock.advance(15_000);
    client.send(get("/2"));
    await until(() => client.text.endsWith("GET /2"));
    world.clock.advance(15_000);
    expect(world.door.counters.open).toBe(1);
    world.clock.advance(7000);
    expect(world.door.counters.open).toBe(0);
    expect(world.door.counters.refused.http_idle).toBe(1);
    await client.untilClosed();
  });

  test("trickling a head keeps neither a new connection nor an old one open", async () => {
    using world = await DoorWorld.open({ idleMs: 20_000 });
    const fresh = await world.connect();
    fresh.send("GET / HTTP/1.1\r\nX: ");
    const used = await world.connect();
    used.send(get("/1"));
    await until(() => used.text.endsWith("GET /1") && world.door.counters.httpOpen === 2);
    let second = 0;
    for (; second < 30 && world.door.counters.open > 0; second++) {
      const heard = world.door.counters.httpBytesIn;
      for (const client of [fresh, used]) if (!client.isEnded && !client.isClosed) client.send("a");
      await until(() => world.door.counters.httpBytesIn > heard);
      world.clock.advance(1000);
      await turn();
    }
    expect(world.door.counters.refused).toMatchObject({ head_timeout: 1, http_idle: 1 });
    expect(second).toBeLessThan(25);
    for (const client of [fresh, used]) client.socket.end();
  });

  test("a silent event stream stays open; its client's FIN ends it at once", async () => {
    let isCancelled = false;
    const http: HttpHandler = () => {
      const body = new ReadableStream<Uint8Array>({
        start(controller) {
          controller.enqueue(new TextEncoder().encode("data: 1\n\n"));
        },
        cancel() {
          isCancelled = true;
        },
      });
      return new Response(body, { headers: { "Content-Type": "text/event-stream" } });
    };
    using world = await DoorWorld.open({ http });
    const client = await world.connect();
    client.send(get("/"));
    await until(() => client.text.includes("data: 1"));
    world.clock.advance(3_600_000);
    expect(world.door.counters.httpOpen).toBe(1);
    client.socket.shutdown();
    await until(() => isCancelled && world.door.counters.open === 0);
    await client.untilClosed();
  });

  test("a handler that never answers is given up after 120 s", async () => {
    using world = await DoorWorld.open({ http: () => new Promise(() => {}) });
    const client = await world.connect();
    client.send(get("/"));
    await until(() => world.door.counters.httpRequests === 1);
    world.clock.advance(119_000);
    expect(world.door.counters.open).toBe(1);
    world.clock.advance(3000);
    expect(world.door.counters.refused.http_request_timeout).toBe(1);
    await client.untilClosed();
  });
});
