import { describe, expect, test } from "bun:test";
import { parseDestination } from "../../agent/base/destination.ts";

const plain = { interfaceName: "", unixPath: "", tls: false };

describe("parseDestination", () => {
  const good: [string, ReturnType<typeof parseDestination>][] = [
    ["parent", { ...plain, host: "parent", port: 19_999, name: "parent:19999" }],
    ["parent:2003", { ...plain, host: "parent", port: 2003, name: "parent:2003" }],
    ["parent:", { ...plain, host: "parent", port: 19_999, name: "parent:19999" }],
    ["tcp:parent:1", { ...plain, host: "parent", port: 1, name: "parent:1" }],
    ["10.0.0.1:65535", { ...plain, host: "10.0.0.1", port: 65_535, name: "10.0.0.1:65535" }],
    ["parent:SSL", { ...plain, host: "parent", port: 19_999, tls: true, name: "parent:19999:SSL" }],
    ["parent:443:ssl", { ...plain, host: "parent", port: 443, tls: true, name: "parent:443:SSL" }],
    ["[2001:db8::1]", { ...plain, host: "2001:db8::1", port: 19_999, name: "[2001:db8::1]:19999" }],
    ["[2001:db8::1]:19998", { ...plain, host: "2001:db8::1", port: 19_998, name: "[2001:db8::1]:19998" }],
    ["[fe80::1%eth0]:1", { ...plain, host: "fe80::1", interfaceName: "eth0", port: 1, name: "[fe80::1%eth0]:1" }],
    ["[fe80::1]%eth0:1", { ...plain, host: "fe80::1", interfaceName: "eth0", port: 1, name: "[fe80::1%eth0]:1" }],
    ["host%eth0", { ...plain, host: "host", interfaceName: "eth0", port: 19_999, name: "host%eth0:19999" }],
    ["unix:/run/t.sock", { ...plain, host: "", port: 0, unixPath: "/run/t.sock", name: "unix:/run/t.sock" }],
    ["/run/t.sock", { ...plain, host: "", port: 0, unixPath: "/run/t.sock", name: "unix:/run/t.sock" }],
  ];
  test.each(good)("%s", (entry, destination) => expect(parseDestination(entry, 19_999)).toEqual(destination));

  const bad: [string, string][] = [
    ["", "no host"],
    [":19999", "no host"],
    ["parent:0", "port 0 does not exist; ports go from 1 to 65535"],
    ["parent:65536", "port 65536 does not exist"],
    ["parent:99999999999999999999", "does not exist"],
    ["parent:http", 'port "http" is not a number; give the number of the port'],
    ["parent:-1", 'port "-1" is not a number'],
    ["2001:db8::1", "the IPv6 address needs brackets: [2001:db8::1]"],
    ["[2001:db8::1", "this is not a host with an optional port"],
    ["[parent]:1", '"parent" in brackets is not an IPv6 address'],
    ["http://parent:19999", "not a http URL"],
    ["udp:parent:19999", "UDP cannot carry this connection"],
    ["pa rent", '"pa rent" is not a host name'],
    ["parent;rm", "is not a host name"],
    [`${"a".repeat(254)}:1`, "is not a host name"],
    ["unix:run/t.sock", 'port "run/t.sock" is not a number'],
    ["/run/t.sock:SSL", "a unix socket has no TLS"],
  ];
  test.each(bad)('"%s": %s', (entry, problem) => {
    expect(() => parseDestination(entry, 19_999)).toThrow(`destination "${entry}": `);
    expect(() => parseDestination(entry, 19_999)).toThrow(problem);
  });
});
