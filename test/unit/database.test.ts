import { describe, expect, test } from "bun:test";
import type { Host } from "../../agent/rrd/host.ts";
import { addHost, newDatabase } from "../simulated-host.ts";

describe("database", () => {
  test("hosts up to the limit, further ones are refused and counted", () => {
    const database = newDatabase({ hosts: 2 });
    expect(addHost(database)).not.toBeNull();
    const second = addHost(database)!;
    expect(addHost(database)).toBeNull();
    expect([database.hostCount, database.refusedHosts]).toEqual([2, 1]);
    database.removeHost(second);
    expect(addHost(database)).not.toBeNull();
  });

  test("a host is found by GUID, by name, first seen first, and as localhost", () => {
    const database = newDatabase();
    const local = addHost(database, { isLocal: true, hostname: "here", machineGuid: "aaaa" })!;
    const child = addHost(database, { hostname: "twin", machineGuid: "bbbb" })!;
    addHost(database, { hostname: "twin", machineGuid: "cccc" });
    const sneaky = addHost(database, { hostname: "localhost", machineGuid: "dddd" })!;
    expect(database.host("bbbb")).toBe(child);
    expect(database.host("BBBB")).toBeUndefined();
    expect(database.findHost("twin")).toBe(child);
    expect(database.findHost("BBBB")).toBe(child);
    // The name localhost always means this agent, whatever a child calls itself.
    expect(database.findHost("localhost")).toBe(local);
    expect(database.findHost("dddd")).toBe(sneaky);
    expect(database.findHost("nobody")).toBeUndefined();
    expect(database.localhost).toBe(local);
    expect(database.hosts[0]).toBe(local);
  });

  test("watchers hear of hosts that come and go, once each", () => {
    const database = newDatabase();
    const heard: string[] = [];
    database.watch({
      hostAdded: (host: Host) => heard.push(`+${host.machineGuid}`),
      hostRemoved: (host: Host) => heard.push(`-${host.machineGuid}`),
    });
    const host = addHost(database, { machineGuid: "aaaa" })!;
    database.removeHost(host);
    database.removeHost(host);
    expect(heard).toEqual(["+aaaa", "-aaaa"]);
    expect(database.host("aaaa")).toBeUndefined();
  });

  test("a GUID that is known already is a bug of the caller", () => {
    const database = newDatabase();
    addHost(database, { machineGuid: "aaaa" });
    expect(() => addHost(database, { machineGuid: "aaaa" })).toThrow();
  });
});
