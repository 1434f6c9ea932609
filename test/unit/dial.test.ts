import { describe, expect, test } from "bun:test";
import { createSystemClock } from "../../agent/base/clock.ts";
import { parseDestination } from "../../agent/base/destination.ts";
import { createDial } from "../../agent/base/dial.ts";
import type { StreamSocket } from "../../agent/base/stream-socket.ts";
import { Recorder, until } from "./door-fixture.ts";

const clock = createSystemClock();
const dial = createDial(clock);

/** A listener of the system that echoes and hangs up on `bye`. */
function echo(address: { hostname: string; port: number } | { unix: string } = { hostname: "127.0.0.1", port: 0 }) {
  const seen = { opened: 0, closed: 0 };
  const listener = Bun.listen({
    ...address,
    socket: {
      open() {
        seen.opened++;
      },
      data(socket, chunk) {
        if (chunk.toString() === "bye") socket.end();
        else socket.write(chunk);
      },
      close() {
        seen.closed++;
      },
    },
  } as Bun.TCPSocketListenOptions);
  return { seen, port: listener.port, [Symbol.dispose]: () => listener.stop(true) };
}

function open(name: string, owner: Recorder, signal = new AbortController().signal): Promise<StreamSocket> {
  return dial(parseDestination(name, 2003), owner, { timeoutMs: 5000, signal });
}

function owner(): Recorder {
  return new Recorder(null as unknown as StreamSocket, "", "");
}

async function problemOf(opening: Promise<unknown>): Promise<string> {
  return opening.then(
    () => "",
    (error: Error) => error.message,
  );
}

describe("dial", () => {
  test("connects, carries both ways, tells of the end and the close", async () => {
    using server = echo();
    const events = owner();
    const socket = await open(`127.0.0.1:${server.port}`, events);
    expect(socket.write(Buffer.from("hello"))).toBe(5);
    await until(() => events.text === "hello");
    socket.write(Buffer.from("bye"));
    await until(() => events.closes === 1);
    expect(events.ends).toBe(1);
    expect(socket.write(Buffer.from("x"))).toBe(-1);
  });

  test("a name with several addresses: the one that accepts", async () => {
    using server = echo();
    const socket = await open(`localhost:${server.port}`, owner());
    await until(() => server.seen.opened === 1);
    socket.terminate();
  });

  test("a unix socket", async () => {
    const path = `/tmp/tributary-dial-${process.pid}.sock`;
    using _server = echo({ unix: path });
    const socket = await open(`unix:${path}`, owner());
    socket.terminate();
  });

  test("nobody listens: says where and why", async () => {
    const server = echo();
    server[Symbol.dispose]();
    const name = `127.0.0.1:${server.port}`;
    expect(await problemOf(open(name, owner()))).toBe(`${name}: connection refused`);
    expect(await problemOf(open("unix:/nowhere/at/all", owner()))).toBe("unix:/nowhere/at/all: no such socket");
  });

  test("TLS is refused, not left out", async () => {
    expect(await problemOf(open("127.0.0.1:2003:SSL", owner()))).toContain("TLS is not supported");
  });

  test("given up: rejects at once", async () => {
    using server = echo();
    const aborted = new AbortController();
    const opening = open(`127.0.0.1:${server.port}`, owner(), aborted.signal);
    aborted.abort();
    expect(await problemOf(opening)).toContain("given up");
  });

  test("no answer in time: rejects, a socket that opens later is closed, its owner hears nothing", async () => {
    using server = echo();
    const events = owner();
    let timers = 0;
    const impatient = createDial({
      ...clock,
      setTimer(delayMs, callback) {
        // The first limit is that of the name, the second that of the connection.
        if (++timers === 1) return clock.setTimer(delayMs, callback);
        callback();
        return { [Symbol.dispose]() {} };
      },
    });
    const limits = { timeoutMs: 5000, signal: new AbortController().signal };
    const opening = impatient(parseDestination(`127.0.0.1:${server.port}`, 1), events, limits);
    expect(await problemOf(opening)).toBe(`127.0.0.1:${server.port}: no answer within 5 s`);
    await until(() => server.seen.closed === 1);
    expect(events).toMatchObject({ text: "", ends: 0, closes: 0 });
  });
});
