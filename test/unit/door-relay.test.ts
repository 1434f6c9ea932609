import { describe, expect, test } from "bun:test";
import type { DoorRefusal } from "../../agent/door/admission.ts";
import { createDoorCounters } from "../../agent/door/admission.ts";
import { HttpRelay, type InnerSocket, type RelayHost } from "../../agent/door/http-relay.ts";
import type { DoorSocket } from "../../agent/door/listener.ts";
import { Pipe } from "../../agent/door/pipe.ts";

const PIPE_MAX = 1_048_576;

/** A socket whose kernel takes what the test allows. */
class FakeSocket {
  taken = "";
  /** Bytes each write takes at most; −1 = closed. */
  window = Number.POSITIVE_INFINITY;
  isPaused = false;
  closed = "";
  localPort = 4711;
  onClose = () => {};

  write(bytes: Uint8Array): number {
    if (this.window < 0) return -1;
    const count = Math.min(bytes.length, this.window);
    this.taken += Buffer.from(bytes.subarray(0, count)).toString("latin1");
    return count;
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  end(): void {
    this.close("end");
  }

  terminate(): void {
    this.close("terminate");
  }

  shutdown(): void {}

  private close(way: string): void {
    if (this.closed !== "") return;
    this.closed = way;
    this.onClose();
  }
}

/** A relay between two fake sockets. */
class RelayWorld implements RelayHost {
  readonly counters = createDoorCounters();
  readonly refusals: DoorRefusal[] = [];
  readonly ports: number[] = [];
  readonly client = new FakeSocket();
  readonly server = new FakeSocket();
  /** `linger` = to be closed in good order, `gone` = closed already. */
  over = "";
  readonly relay: HttpRelay;

  constructor() {
    this.relay = new HttpRelay(this, this.clientSocket, { address: "10.0.0.1" }, 0);
    this.client.onClose = () => this.relay.close();
    this.server.onClose = () => this.relay.innerClosed();
  }

  get clientSocket(): DoorSocket {
    return this.client as unknown as DoorSocket;
  }

  get serverSocket(): InnerSocket {
    return this.server as unknown as InnerSocket;
  }

  opened(_relay: HttpRelay, port: number): void {
    this.ports.push(port);
  }

  closed(_relay: HttpRelay, port: number): void {
    this.ports.splice(this.ports.indexOf(port), 1);
  }

  finished(_relay: HttpRelay, socket: DoorSocket | null): void {
    this.over += socket === null ? "gone" : "linger";
  }

  refused(reason: DoorRefusal): void {
    this.refusals.push(reason);
  }

  start(text: string): void {
    this.relay.start(Buffer.from(text));
  }

  connect(): void {
    this.relay.innerOpened(this.serverSocket);
  }

  /** The server sends. */
  answer(text: string): void {
    this.relay.innerData(this.serverSocket, Buffer.from(text));
  }
}

describe("HttpRelay", () => {
  test("holds the client until the server is connected", () => {
    const world = new RelayWorld();
    world.start("GET");
    expect(world.client.isPaused).toBe(true);
    world.relay.data(world.clientSocket, Buffer.from(" / "));
    world.connect();
    expect([world.server.taken, world.client.isPaused, world.ports]).toEqual(["GET / ", false, [4711]]);
    world.relay.data(world.clientSocket, Buffer.from("HTTP"));
    expect([world.server.taken, world.counters.httpBytesIn]).toEqual(["GET / HTTP", 10]);
  });

  test("pauses the side whose other side takes nothing, one byte at a time", () => {
    const world = new RelayWorld();
    world.start("");
    world.connect();
    world.client.window = 0;
    world.answer("abcdef");
    expect(world.server.isPaused).toBe(true);
    world.answer("gh");
    world.client.window = 1;
    for (let i = 0; i < 7; i++) world.relay.drain();
    expect([world.client.taken, world.server.isPaused, world.counters.httpBytesOut]).toEqual(["abcdefg", true, 7]);
    world.relay.drain();
    expect([world.client.taken, world.server.isPaused]).toEqual(["abcdefgh", false]);
    world.server.window = 2;
    world.relay.data(world.clientSocket, Buffer.from("12345"));
    expect(world.client.isPaused).toBe(true);
    world.relay.innerDrained(world.serverSocket);
    world.relay.innerDrained(world.serverSocket);
    expect([world.server.taken, world.client.isPaused]).toEqual(["12345", false]);
  });

  test("closes when more waits than it may hold, either way", () => {
    for (const way of ["client", "server"] as const) {
      const world = new RelayWorld();
      world.start("");
      world.connect();
      world.client.window = world.server.window = 0;
      const chunk = "x".repeat(PIPE_MAX);
      const push = (text: string) =>
        way === "server" ? world.answer(text) : world.relay.data(world.clientSocket, Buffer.from(text));
      push(chunk);
      expect(world.refusals).toEqual([]);
      push("x");
      expect(world.refusals).toEqual(["http_overflow"]);
      expect([world.client.closed, world.server.closed, world.over, world.ports]).toEqual(["end", "end", "gone", []]);
    }
  });

  test("sends what waits before it closes after the server", () => {
    const world = new RelayWorld();
    world.start("");
    world.connect();
    world.client.window = 3;
    world.answer("last words");
    world.relay.innerClosed();
    expect([world.over, world.ports]).toEqual(["", []]);
    world.relay.data(world.clientSocket, Buffer.from("too late"));
    for (let i = 0; i < 3; i++) world.relay.drain();
    expect([world.client.taken, world.over]).toEqual(["last words", "linger"]);
    expect(world.server.taken).toBe("");
  });

  test("says 503 when the server cannot be reached", () => {
    const world = new RelayWorld();
    world.start("GET / HTTP/1.1\r\n");
    world.relay.innerFailed();
    expect(world.client.taken).toStartWith("HTTP/1.1 503 Service Unavailable\r\n");
    expect([world.over, world.refusals]).toEqual(["linger", ["http_no_bridge"]]);
  });

  test("closes a connection that opens after the client has gone", () => {
    const world = new RelayWorld();
    world.start("GET");
    world.client.end();
    world.connect();
    expect([world.over, world.server.closed, world.server.taken, world.ports]).toEqual(["gone", "end", "", []]);
  });

  test("survives a client socket that is closed already", () => {
    const world = new RelayWorld();
    world.start("");
    world.connect();
    world.client.window = -1;
    world.answer("abc");
    expect(world.counters.httpBytesOut).toBe(0);
    world.client.end();
    expect([world.over, world.server.closed, world.ports]).toEqual(["gone", "end", []]);
  });
});

describe("Pipe", () => {
  test("keeps a copy: the chunk may change afterwards", () => {
    const socket = new FakeSocket();
    socket.window = 1;
    const pipe = new Pipe();
    const chunk = Buffer.from("abc");
    expect(pipe.write(socket, chunk)).toBe(1);
    chunk.fill("x");
    socket.window = 10;
    expect(pipe.flush(socket)).toBe(2);
    expect([socket.taken, pipe.isWaiting]).toEqual(["abc", false]);
  });
});
