import { describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { createHostFiles, type FileCalls, systemFileCalls } from "../../agent/base/proc-file.ts";
import type { CollectorSettings } from "../../agent/collector/collector.ts";
import { netdev } from "../../agent/collector/proc/netdev.ts";
import { createTestContext, TestTree } from "../collector-world.ts";

const HEADING = "Inter-|   Receive\n face |bytes    packets errs\n";

/** A line of net/dev: 16 numbers, 1 to 16 times `factor`. */
function line(name: string, factor = 1): string {
  return `${name.padStart(6)}: ${Array.from({ length: 16 }, (_, i) => (i + 1) * factor).join("  ")}\n`;
}

function start(settings: Partial<CollectorSettings> = {}, calls: FileCalls = systemFileCalls) {
  const tree = new TestTree();
  tree.write("proc/net/dev", HEADING);
  const context = createTestContext(netdev, { files: createHostFiles(tree.root, calls), settings });
  const collector = netdev.start(context);
  return {
    tree,
    context,
    charts: context.charts,
    attributes(name: string, attributes: Record<string, string>) {
      for (const [file, text] of Object.entries(attributes)) tree.write(`sys/class/net/${name}/${file}`, text);
    },
    collect(...lines: string[]) {
      tree.write("proc/net/dev", HEADING + lines.join(""));
      context.clock.advance(1000);
      collector.collect(context.clock.nowUs());
    },
    values: (id: string) => context.charts.get(id).committed,
    [Symbol.dispose]() {
      collector[Symbol.dispose]();
      tree[Symbol.dispose]();
    },
  };
}

describe("counters", () => {
  test("come from their columns", () => {
    using world = start();
    world.collect(line("eth0"));
    expect(world.values("net.eth0")).toEqual({ received: 1, sent: 9 });
    expect(world.values("net_packets.eth0")).toEqual({ received: 2, sent: 10, multicast: 8 });
    expect(world.values("net_errors.eth0")).toEqual({ inbound: 3, outbound: 11 });
    expect(world.values("net_drops.eth0")).toEqual({ inbound: 4, outbound: 12 });
    expect(world.values("net_fifo.eth0")).toEqual({ receive: 5, transmit: 13 });
    expect(world.values("net_events.eth0")).toEqual({ frames: 6, collisions: 14, carrier: 15 });
    expect(world.values("net_compressed.eth0")).toEqual({ received: 7, sent: 16 });
  });

  test("a number may follow the colon at once, as old kernels write it", () => {
    using world = start();
    world.collect("  eth0:1234 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n");
    expect(world.values("net.eth0")).toEqual({ received: 1234, sent: 9 });
  });

  test("a name ends at its last colon", () => {
    using world = start();
    world.collect("eth0:1: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n");
    expect(world.values("net.eth0:1")).toEqual({ received: 1, sent: 9 });
  });

  test("are exact beyond 2^53, the sum too", () => {
    using world = start();
    const numbers = (first: string): string => `${first} 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n`;
    world.collect(`eth0: ${numbers("9007199254740993")}`, `eth1: ${numbers("18446744073709551615")}`);
    expect(world.values("net.eth0")).toEqual({ received: 9_007_199_254_740_993n, sent: 9 });
    expect(world.values("system.net")).toEqual({ InOctets: 18_455_751_272_964_292_608n, OutOctets: 18 });
  });

  test("virtual and excluded interfaces do not count in the sum", () => {
    using world = start();
    world.tree.write("sys/devices/virtual/net/docker0/mtu", "1500");
    world.tree.write("sys/devices/virtual/net/lo/mtu", "65536");
    world.collect(line("lo", 100), line("eth0"), line("docker0", 1000), line("wlan0", 10), line("fwbr1", 7));
    expect(world.values("system.net")).toEqual({ InOctets: 11, OutOctets: 99 });
    expect(world.charts.all.has("net.lo")).toBe(false);
    expect(world.charts.all.has("net.fwbr1")).toBe(false);
    expect(world.charts.get("net.docker0").meta.labels).toEqual({ device: "docker0", interface_type: "virtual" });
    expect(world.charts.get("net.eth0").meta.labels).toEqual({ device: "eth0", interface_type: "real" });
  });

  test.each(["eth0: 1 2 3\n", "eth0: 1 2 3 4 5 6 7 8 9 x 11 12 13 14 15 16\n"])("%j is told once", (bad) => {
    using world = start();
    for (let i = 0; i < 3; i++) world.collect(bad, line("eth1"));
    expect(world.values("system.net")).toEqual({ InOctets: 1, OutOctets: 9 });
    expect(world.charts.all.has("net.eth0")).toBe(false);
    expect(world.context.log.events()).toEqual(["collector.line_malformed"]);
  });
});

describe("state", () => {
  const STATE = { speed: "1000\n", duplex: "full\n", operstate: "up\n", carrier: "1\n", mtu: "1500\n" };

  test("one-hot, with the speed as a variable of the bandwidth", () => {
    using world = start();
    world.attributes("eth0", STATE);
    world.collect(line("eth0"));
    expect(world.values("net_speed.eth0")).toEqual({ speed: 1_000_000 });
    expect(world.values("net_duplex.eth0")).toEqual({ full: 1, half: 0, unknown: 0 });
    expect(world.values("net_carrier.eth0")).toEqual({ up: 1, down: 0 });
    expect(world.values("net_mtu.eth0")).toEqual({ mtu: 1500 });
    expect(world.charts.get("net.eth0").variables.get("nic_speed_max")).toBe(1_000_000);
    world.attributes("eth0", { speed: "100\n", duplex: "half\n", operstate: "lowerlayerdown\n", carrier: "0\n" });
    world.collect(line("eth0"));
    expect(world.values("net_duplex.eth0")).toEqual({ full: 0, half: 1, unknown: 0 });
    expect(world.values("net_operstate.eth0")).toMatchObject({ up: 0, lowerlayerdown: 1, unknown: 0 });
    expect(world.values("net_carrier.eth0")).toEqual({ up: 0, down: 1 });
    expect(world.charts.get("net.eth0").variables.get("nic_speed_max")).toBe(100_000);
    world.attributes("eth0", { duplex: "sideways\n", operstate: "\n" });
    world.collect(line("eth0"));
    expect(world.values("net_duplex.eth0")).toEqual({ full: 0, half: 0, unknown: 1 });
  });

  test("a link without speed shows 0", () => {
    using world = start();
    world.attributes("eth0", { ...STATE, speed: "-1\n" });
    world.collect(line("eth0"));
    expect(world.values("net_speed.eth0")).toEqual({ speed: 0 });
  });

  test("virtual interfaces have neither speed nor duplex", () => {
    using world = start({ zeroMetrics: true });
    world.tree.write("sys/devices/virtual/net/veth0/mtu", "1500");
    world.attributes("veth0", STATE);
    world.collect(line("veth0", 0));
    expect([...world.charts.all.keys()].filter((id) => /speed|duplex/.test(id))).toEqual([]);
    expect(world.values("net_carrier.veth0")).toEqual({ up: 1, down: 0 });
  });

  test("an attribute that fails is left alone for 60 s and is a gap meanwhile", () => {
    let isDown = false;
    let reads = 0;
    const calls: FileCalls = {
      ...systemFileCalls,
      open: (path) => {
        if (path.endsWith("/carrier")) reads++;
        if (isDown && path.endsWith("/carrier")) throw Object.assign(new Error("down"), { code: "EINVAL" });
        return systemFileCalls.open(path);
      },
    };
    using world = start({}, calls);
    world.collect(line("eth0"));
    expect(world.charts.all.has("net_carrier.eth0")).toBe(false);
    world.attributes("eth0", STATE);
    isDown = true;
    for (let i = 0; i < 59; i++) world.collect(line("eth0"));
    expect(reads).toBe(1);
    world.collect(line("eth0"));
    expect(reads).toBe(2);
    isDown = false;
    for (let i = 0; i < 60; i++) world.collect(line("eth0"));
    expect(world.values("net_carrier.eth0")).toEqual({ up: 1, down: 0 });
    expect(world.context.log.lines).toEqual([]);
  });

  test("a slow driver is asked every 10 s; its last answer stands meanwhile", () => {
    let isSlow = false;
    let reads = 0;
    const calls: FileCalls = {
      ...systemFileCalls,
      read: (fd, bytes, offset, length, position) => {
        const count = systemFileCalls.read(fd, bytes, offset, length, position);
        if (bytes.toString("latin1", offset, offset + count) === "1000\n") {
          reads++;
          if (isSlow) world.context.clock.block(40);
        }
        return count;
      },
    };
    using world = start({}, calls);
    world.attributes("eth0", STATE);
    isSlow = true;
    for (let i = 0; i < 10; i++) world.collect(line("eth0"));
    expect(reads).toBe(10);
    for (let i = 0; i < 30; i++) world.collect(line("eth0"));
    expect(reads).toBe(13);
    expect(world.charts.get("net_speed.eth0").commitsUs).toHaveLength(40);
    expect(world.values("net_speed.eth0")).toEqual({ speed: 1_000_000 });
    expect(world.context.log.events()).toEqual(["collector.source_slow"]);
  });
});

describe("an interface that goes away", () => {
  test("is obsolete after ten cycles and its files are closed; it may come back", () => {
    using world = start();
    const state = { speed: "10\n", duplex: "full\n", operstate: "up\n", carrier: "1\n", mtu: "1500\n" };
    world.attributes("eth0", state);
    world.collect(line("eth0"));
    const before = readdirSync("/proc/self/fd").length;
    world.attributes("usb0", state);
    world.collect(line("eth0"), line("usb0"));
    expect(readdirSync("/proc/self/fd").length).toBe(before + 5);
    for (let i = 0; i < 9; i++) world.collect(line("eth0"));
    expect(world.charts.get("net.usb0").isObsolete).toBe(false);
    world.collect(line("eth0"));
    expect(readdirSync("/proc/self/fd").length).toBe(before);
    for (const id of ["net.usb0", "net_speed.usb0", "net_mtu.usb0"]) expect(world.charts.get(id).isObsolete).toBe(true);
    world.collect(line("eth0"), line("usb0", 3));
    expect(world.charts.get("net.usb0").isObsolete).toBe(false);
    expect(world.values("net.usb0")).toEqual({ received: 3, sent: 27 });
  });

  test("hundreds of interfaces do not keep thousands of descriptors", () => {
    using world = start();
    const names = Array.from({ length: 200 }, (_, i) => `veth${i}`);
    for (const name of names) world.attributes(name, { operstate: "up\n", carrier: "1\n", mtu: "1500\n" });
    const before = readdirSync("/proc/self/fd").length;
    world.collect(...names.map((name) => line(name)));
    world.collect(...names.map((name) => line(name)));
    expect(readdirSync("/proc/self/fd").length).toBe(before + 64 * 3);
    expect(world.values("net_mtu.veth199")).toEqual({ mtu: 1500 });
  });
});

test("below a prefix the network is that of process 1", () => {
  using tree = new TestTree();
  tree.write("proc/net/dev", HEADING + line("inside"));
  tree.write("proc/1/net/dev", HEADING + line("outside"));
  const context = createTestContext(netdev, { prefix: tree.root });
  using collector = netdev.start(context);
  collector.collect(context.clock.nowUs());
  expect([...context.charts.all.keys()].filter((id) => id.startsWith("net."))).toEqual(["net.outside"]);
});
