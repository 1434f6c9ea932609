import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AgentError } from "../../agent/base/errors.ts";
import type { ListenAddress } from "../../agent/base/listen-address.ts";
import { type DoorHandlers, type ListenTcp, openListeners } from "../../agent/door/listener.ts";

/** Nothing ever comes. */
const NOBODY: DoorHandlers = { open() {}, data() {}, drain() {}, end() {}, close() {}, error() {} };

/** A machine on which listening fails for some hosts. */
function machine(failures: Record<string, string>) {
  const open = new Set<string>();
  const listen: ListenTcp = ({ hostname, port }) => {
    const code = failures[hostname];
    if (code !== undefined) throw Object.assign(new Error(`Failed to listen at ${hostname}`), { code });
    const name = `${hostname} ${port === 0 ? 4000 : port}`;
    open.add(name);
    return { port: port === 0 ? 4000 : port, stop: () => void open.delete(name) };
  };
  return { open, listen };
}

const tcp = (host: string, port: number): ListenAddress => ({ kind: "tcp", host, port });

const cases: { name: string; address: ListenAddress; failures: Record<string, string>; result: string[] | string }[] = [
  { name: "* is one socket of both families", address: tcp("*", 1), failures: {}, result: [":: 1"] },
  { name: "* without IPv6", address: tcp("*", 1), failures: { "::": "EAFNOSUPPORT" }, result: ["0.0.0.0 1"] },
  { name: "* in use", address: tcp("*", 1), failures: { "::": "EADDRINUSE" }, result: "port_in_use *:1: port 1" },
  {
    name: "* not permitted",
    address: tcp("*", 80),
    failures: { "::": "EACCES", "0.0.0.0": "EACCES" },
    result: "listen_failed *:80: not permitted; ports below 1024",
  },
  { name: "localhost", address: tcp("localhost", 1), failures: {}, result: ["127.0.0.1 1", "::1 1"] },
  { name: "localhost on any port", address: tcp("localhost", 0), failures: {}, result: ["127.0.0.1 4000", "::1 4000"] },
  {
    name: "localhost without IPv6",
    address: tcp("localhost", 1),
    failures: { "::1": "EADDRNOTAVAIL" },
    result: ["127.0.0.1 1"],
  },
  {
    name: "localhost half in use",
    address: tcp("localhost", 1),
    failures: { "::1": "EADDRINUSE" },
    result: "port_in_use [::1]:1: port 1 is in use",
  },
  {
    name: "localhost on any port, half in use",
    address: tcp("localhost", 0),
    failures: { "::1": "EADDRINUSE" },
    result: ["127.0.0.1 4000"],
  },
  {
    name: "foreign address",
    address: tcp("192.0.2.1", 1),
    failures: { "192.0.2.1": "EADDRNOTAVAIL" },
    result: "listen_failed 192.0.2.1:1: Failed to listen at 192.0.2.1 (EADDRNOTAVAIL); give an address of this machine",
  },
];

describe("openListeners", () => {
  test.each(cases)("$name", async ({ address, failures, result }) => {
    const { open, listen } = machine(failures);
    if (typeof result === "string") {
      const error: AgentError = await openListeners(address, NOBODY, listen).then(
        () => null,
        (reason) => reason,
      );
      expect(`${error.code} ${error.message}`).toStartWith(result);
      expect(open.size).toBe(0);
      return;
    }
    const listeners = await openListeners(address, NOBODY, listen);
    expect([...open]).toEqual(result);
    for (const listener of listeners) listener.stop();
    expect(open.size).toBe(0);
  });

  test("a file that is no socket is never removed", async () => {
    const folder = mkdtempSync(join(tmpdir(), "door-"));
    try {
      const path = join(folder, "precious");
      writeFileSync(path, "text");
      await expect(openListeners({ kind: "unix", path }, NOBODY)).rejects.toThrow(`unix:${path}: `);
      expect(await Bun.file(path).text()).toBe("text");
      const missing = openListeners({ kind: "unix", path: join(folder, "no", "x") }, NOBODY);
      await expect(missing).rejects.toThrow("ENOENT");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
