import { describe, expect, test } from "bun:test";
import { type ListenAddress, parseListen } from "../../agent/base/listen-address.ts";

describe("parseListen", () => {
  const good: [string, ListenAddress][] = [
    ["127.0.0.1", { kind: "tcp", host: "127.0.0.1", port: 19_999 }],
    ["127.0.0.1:0", { kind: "tcp", host: "127.0.0.1", port: 0 }],
    ["0.0.0.0:80", { kind: "tcp", host: "0.0.0.0", port: 80 }],
    ["*", { kind: "tcp", host: "*", port: 19_999 }],
    ["*:65535", { kind: "tcp", host: "*", port: 65_535 }],
    ["localhost", { kind: "tcp", host: "localhost", port: 19_999 }],
    ["localhost:1", { kind: "tcp", host: "localhost", port: 1 }],
    ["tcp:localhost:1", { kind: "tcp", host: "localhost", port: 1 }],
    ["[::]", { kind: "tcp", host: "::", port: 19_999 }],
    ["[::1]:20000", { kind: "tcp", host: "::1", port: 20_000 }],
    ["unix:/run/tributary.sock", { kind: "unix", path: "/run/tributary.sock" }],
  ];
  test.each(good)("%s", (entry, address) => expect(parseListen(entry)).toEqual(address));

  const bad: [string, string][] = [
    ["", '"" is not a numeric address'],
    ["eth0", '"eth0" is not a numeric address; give an address of this machine'],
    ["host.example.com:1", "is not a numeric address"],
    ["::1", "the IPv6 address needs brackets; write [::1] or [::1]:19999"],
    ["[127.0.0.1]:1", '"127.0.0.1" is not a numeric address'],
    ["1.2.3:80", '"1.2.3" is not a numeric address'],
    ["127.0.0.1:", 'port "" does not exist'],
    ["127.0.0.1:65536", 'port "65536" does not exist'],
    ["127.0.0.1:http", 'port "http" does not exist'],
    ["http://127.0.0.1", '"http" is not a numeric address'],
    ["a:b:c", "not an address to listen on"],
    ["unix:run/x", "the path must start with /"],
  ];
  test.each(bad)('"%s": %s', (entry, problem) => {
    expect(() => parseListen(entry)).toThrow(`address "${entry}": `);
    expect(() => parseListen(entry)).toThrow(problem);
  });
});
