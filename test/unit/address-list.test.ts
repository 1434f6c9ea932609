import { describe, expect, test } from "bun:test";
import { AddressList, isLoopback, normalizeAddress, UNIX_PEER } from "../../agent/base/address-list.ts";

describe("AddressList", () => {
  const cases: { list: string; yes?: string[]; no?: string[] }[] = [
    { list: "*", yes: ["10.0.0.1", "::1", "fe80::1%eth0", UNIX_PEER] },
    { list: "", no: ["127.0.0.1", "10.0.0.1", UNIX_PEER] },
    {
      list: "localhost",
      yes: ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", UNIX_PEER],
      no: ["10.0.0.1", "::2"],
    },
    { list: "LOCALHOST", yes: ["127.0.0.1"] },
    { list: "10.*", yes: ["10.1.2.3", "::ffff:10.1.2.3"], no: ["110.1.2.3", "192.168.10.1"] },
    { list: "10.0.0.1", yes: ["10.0.0.1", "::FFFF:10.0.0.1"], no: ["10.0.0.11"] },
    { list: "fd*", yes: ["fd00::1", "FD12::9"], no: ["fe80::1"] },
    {
      list: "10.0.0.0/8",
      yes: ["10.0.0.0", "10.255.255.255", "::ffff:10.1.1.1"],
      no: ["11.0.0.0", "9.255.255.255", "::1"],
    },
    { list: "192.168.1.64/26", yes: ["192.168.1.64", "192.168.1.127"], no: ["192.168.1.63", "192.168.1.128"] },
    { list: "10.1.2.3/32", yes: ["10.1.2.3"], no: ["10.1.2.4"] },
    { list: "0.0.0.0/0", yes: ["1.2.3.4", "127.0.0.1"], no: ["::1", "2001:db8::1", UNIX_PEER] },
    { list: "::/0", yes: ["2001:db8::1", "::1"], no: ["1.2.3.4"] },
    { list: "2001:db8::/33", yes: ["2001:db8:7fff::1"], no: ["2001:db8:8000::1", "1.2.3.4"] },
    { list: "fe80::/10", yes: ["fe80::1%eth0"], no: ["fd00::1"] },
    { list: "::ffff:10.0.0.0/104", yes: ["10.9.9.9", "::ffff:10.9.9.9"], no: ["11.0.0.1"] },
    { list: "!10.0.0.5 10.0.0.0/8", yes: ["10.0.0.4"], no: ["10.0.0.5", "11.0.0.1"] },
    { list: "!10.0.0.0/24 10.*", yes: ["10.0.1.1"], no: ["10.0.0.1"] },
    { list: "!localhost *", yes: ["10.0.0.1"], no: ["127.0.0.1", "::1", UNIX_PEER] },
    { list: "!127.0.0.1 localhost", yes: ["127.0.0.2", "::1", UNIX_PEER], no: ["127.0.0.1"] },
    { list: "localhost !127.0.0.1", yes: ["127.0.0.1"] },
    { list: "localhost *", yes: ["127.0.0.1", "8.8.8.8"] },
    { list: "parent.example.com", no: ["10.0.0.1"] },
  ];
  for (const { list, yes = [], no = [] } of cases) {
    test.each(yes)(`"${list}" lets %s in`, (address) => expect(new AddressList(list).allows(address)).toBe(true));
    test.each(no)(`"${list}" keeps %s out`, (address) => expect(new AddressList(list).allows(address)).toBe(false));
  }

  const bad = [
    "10.0.0.0/33",
    "10.0.0.0/",
    "10.0.0.0/-1",
    "10.0.0.0/8/8",
    "10.0.0/8",
    "10.*/8",
    "fd00::/129",
    "host/8",
    "/8",
    "::ffff:10.0.0.0/95",
    "10.0.0.0/255.0.0.0",
  ];
  test.each(bad)('"%s" is not a network', (word) => {
    expect(() => new AddressList(`localhost ${word}`)).toThrow(`"${word}" is not a network; write ADDRESS/BITS`);
  });
});

describe("normalizeAddress", () => {
  test.each([
    ["::ffff:10.0.0.1", "10.0.0.1"],
    ["::FFFF:10.0.0.1", "10.0.0.1"],
    ["FE80::1%eth0", "fe80::1"],
    ["10.0.0.1", "10.0.0.1"],
    ["::1", "::1"],
  ])("%s is shown as %s", (address, shown) => expect(normalizeAddress(address)).toBe(shown));
});

test.each([
  ["127.0.0.1", true],
  ["127.255.0.1", true],
  ["::1", true],
  ["128.0.0.1", false],
  ["::2", false],
  ["0.0.0.0", false],
  ["localhost", false],
  ["*", false],
])("isLoopback(%s) is %p", (address, is) => expect(isLoopback(address)).toBe(is));
