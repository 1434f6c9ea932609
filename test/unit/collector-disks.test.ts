import { describe, expect, test } from "bun:test";
import type { CollectorSettings } from "../../agent/collector/collector.ts";
import { diskstats } from "../../agent/collector/proc/diskstats.ts";
import { mountPointsByDevice, readMounts } from "../../agent/collector/proc/mount-table.ts";
import { createTestContext, TestTree } from "../collector-world.ts";

/** A line of diskstats with 17 counters. */
function line(device: string, name: string, counters: readonly number[] = new Array(17).fill(0)): string {
  return `   ${device.replace(":", "       ")} ${name} ${counters.join(" ")}\n`;
}

function start(settings: Partial<CollectorSettings> = {}, updateEverySec = 1) {
  const tree = new TestTree();
  tree.write("proc/diskstats", "\n");
  tree.write("proc/self/mountinfo", "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n");
  tree.write("sys/block/sda/size", "1");
  const context = createTestContext(diskstats, { prefix: tree.root, settings, updateEverySec });
  const collector = diskstats.start(context);
  return {
    tree,
    context,
    charts: context.charts,
    collect(...lines: string[]) {
      tree.write("proc/diskstats", lines.join(""));
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

//               reads merged sectors ms  writes merged sectors ms  now busy weighted  discards merged sectors ms  flushes ms
const FIRST = [100, 10, 2000, 50, 200, 20, 4000, 80, 1, 500, 900, 10, 1, 800, 20, 5, 30];
const SECOND = [110, 10, 2165, 95, 200, 20, 4000, 80, 0, 750, 999, 13, 1, 1000, 27, 7, 45];

describe("counters", () => {
  test("are shown as they are", () => {
    using world = start();
    world.collect(line("8:0", "sda", FIRST));
    expect(world.values("disk.sda")).toEqual({ reads: 2000, writes: 4000 });
    expect(world.values("disk_ops.sda")).toEqual({ reads: 100, writes: 200 });
    expect(world.values("disk_qops.sda")).toEqual({ operations: 1 });
    expect(world.values("disk_backlog.sda")).toEqual({ backlog: 900 });
    expect(world.values("disk_busy.sda")).toEqual({ busy: 500 });
    expect(world.values("disk_mops.sda")).toEqual({ reads: 10, writes: 20 });
    expect(world.values("disk_iotime.sda")).toEqual({ reads: 50, writes: 80 });
    expect(world.values("disk_ext.sda")).toEqual({ discards: 800 });
    expect(world.values("disk_ext_ops.sda")).toEqual({ discards: 10, flushes: 5 });
    expect(world.values("disk_ext_mops.sda")).toEqual({ discards: 1 });
    expect(world.values("disk_ext_iotime.sda")).toEqual({ discards: 20, flushes: 30 });
    expect(world.values("system.io")).toEqual({ in: 1000, out: 2000 });
  });

  test("averages need two reads and are divided without a rest", () => {
    using world = start();
    world.collect(line("8:0", "sda", FIRST));
    for (const chart of ["util", "await", "avgsz", "svctm", "ext_await", "ext_avgsz"]) {
      expect(world.charts.all.has(`disk_${chart}.sda`)).toBe(false);
    }
    world.collect(line("8:0", "sda", SECOND));
    expect(world.values("disk_util.sda")).toEqual({ utilization: 25 }); // 250 ms of 1000
    expect(world.values("disk_await.sda")).toEqual({ reads: 4, writes: 0 }); // 45 ms / 10, no writes
    expect(world.values("disk_avgsz.sda")).toEqual({ reads: 16, writes: 0 }); // 165 sectors / 10
    expect(world.values("disk_svctm.sda")).toEqual({ svctm: 25 }); // 250 ms / 10
    expect(world.values("disk_ext_await.sda")).toEqual({ discards: 2, flushes: 7 }); // 7 / 3, 15 / 2
    expect(world.values("disk_ext_avgsz.sda")).toEqual({ discards: 66 }); // 200 / 3
  });

  test("utilization is of the whole interval", () => {
    using world = start({}, 5);
    world.collect(line("8:0", "sda", FIRST));
    world.collect(line("8:0", "sda", SECOND));
    expect(world.values("disk_util.sda")).toEqual({ utilization: 5 }); // 250 ms of 5000
    expect(world.charts.get("disk_util.sda").updateEverySec).toBe(5);
  });

  test("utilization is at most 100, and 0 after the counter fell", () => {
    using world = start();
    world.collect(line("8:0", "sda", FIRST));
    world.collect(line("8:0", "sda", FIRST.with(9, 2000)));
    expect(world.values("disk_util.sda")).toEqual({ utilization: 100 });
    world.collect(line("8:0", "sda", FIRST.with(9, 3)));
    expect(world.values("disk_util.sda")).toEqual({ utilization: 0 });
  });

  test.each([
    { what: "before 4.18: no discards", count: 11, has: [], lacks: ["disk_ext.sda", "disk_ext_ops.sda"] },
    { what: "before 5.5: discards, flushes are 0", count: 15, has: ["disk_ext.sda", "disk_ext_ops.sda"], lacks: [] },
  ])("a kernel $what", ({ count, has, lacks }) => {
    using world = start();
    world.collect(line("8:0", "sda", FIRST.slice(0, count)));
    world.collect(line("8:0", "sda", SECOND.slice(0, count)));
    expect(world.values("disk.sda")).toEqual({ reads: 2165, writes: 4000 });
    for (const id of has) expect(world.charts.all.has(id)).toBe(true);
    for (const id of lacks) expect(world.charts.all.has(id)).toBe(false);
    if (count === 15) expect(world.values("disk_ext_ops.sda")).toEqual({ discards: 13, flushes: 0 });
  });

  test("a disk appears with its first I/O and stays", () => {
    using world = start();
    world.collect(line("8:0", "sda"));
    expect([...world.charts.all.keys()]).toEqual(["system.io"]);
    world.collect(line("8:0", "sda", new Array(17).fill(0).with(0, 1)));
    expect([...world.charts.all.keys()].sort()).toEqual(["disk_ops.sda", "system.io"]);
    world.collect(line("8:0", "sda"));
    expect(world.charts.get("disk_ops.sda").commitsUs).toHaveLength(2);
  });
});

describe("which disks", () => {
  test("partitions only when asked for, loop and ram never, virtual ones do not count in the sum", () => {
    for (const partitions of [false, true]) {
      using world = start({ partitions });
      world.tree.write("sys/dev/block/8:1/partition", "1");
      world.tree.write("sys/devices/virtual/block/md0/size", "1");
      world.tree.write("sys/block/md0/size", "1");
      world.tree.write("sys/block/loop0/size", "1");
      const all = ["8:0 sda", "8:1 sda1", "9:0 md0", "7:0 loop0", "1:0 ram0"].map((key) => key.split(" "));
      world.collect(...all.map(([device, name]) => line(device!, name!, FIRST)));
      const seen = [...world.charts.all.keys()].filter((id) => id.startsWith("disk."));
      expect(seen).toEqual(partitions ? ["disk.sda", "disk.sda1", "disk.md0"] : ["disk.sda", "disk.md0"]);
      expect(world.values("system.io")).toEqual({ in: 1000, out: 2000 });
      expect(world.charts.get("disk.md0").meta.labels).toEqual({ device: "md0", device_type: "virtual" });
    }
  });

  test("a logical volume has an id of its own and the name of its administrator", () => {
    using world = start();
    world.tree.write("sys/block/dm-3/dm/uuid", "LVM-abcDEF\n");
    world.tree.write("sys/block/dm-3/dm/name", "vg0-root\n");
    world.tree.write("sys/block/dm-4/dm/uuid", "CRYPT-LUKS2-abc\n");
    world.tree.write("sys/block/dm-4/dm/name", "secret\n");
    world.collect(line("253:3", "dm-3", FIRST), line("253:4", "dm-4", FIRST));
    const { meta } = world.charts.get("disk.dm-3-abcDEF");
    expect([meta.name, meta.family]).toEqual(["vg0-root", "vg0-root"]);
    expect(world.charts.get("disk.dm-4").meta.name).toBeUndefined();
  });

  test("excluded by its own name or by that of its administrator", () => {
    using world = start({ isExcluded: (name) => name === "vg0-root" || name === "sdb" });
    world.tree.write("sys/block/dm-3/dm/uuid", "LVM-abcDEF\n");
    world.tree.write("sys/block/dm-3/dm/name", "vg0-root\n");
    world.collect(line("253:3", "dm-3", FIRST), line("8:16", "sdb", FIRST), line("8:0", "sda", FIRST));
    expect([...world.charts.all.keys()].filter((id) => id.startsWith("disk."))).toEqual(["disk.sda"]);
  });

  test("a name with a slash", () => {
    using world = start();
    world.tree.write("sys/block/cciss!c0d0/size", "1");
    world.collect(line("104:0", "cciss/c0d0", FIRST));
    expect(world.charts.all.has("disk.cciss_c0d0")).toBe(true);
    expect(world.values("system.io")).toEqual({ in: 1000, out: 2000 });
  });

  test("the family is the mount point, also when it is mounted later", () => {
    using world = start();
    world.tree.write("sys/dev/block/8:0/partition", "");
    world.collect(line("8:0", "sda", FIRST));
    expect(world.charts.all.has("disk.sda")).toBe(false);
    using late = start();
    late.collect(line("8:16", "sdb", FIRST), line("8:1", "sda1", FIRST));
    expect(late.charts.get("disk.sdb").meta.family).toBe("sdb");
    expect(late.charts.get("disk.sda1").meta.family).toBe("/");
    late.tree.write("proc/self/mountinfo", "20 1 8:16 / /mnt/a\\040b rw - ext4 /dev/sdb rw\n");
    for (let i = 0; i < 15; i++) late.collect(line("8:16", "sdb", SECOND), line("8:1", "sda1", FIRST));
    expect(late.charts.get("disk.sdb").meta.family).toBe("/mnt/a b");
    expect(late.charts.get("disk_await.sdb").meta.labels).toMatchObject({ mount_point: "/mnt/a b" });
    expect(late.charts.get("disk.sda1").meta.family).toBe("sda1");
  });
});

describe("a disk that is pulled", () => {
  test("is obsolete after ten cycles, and whole again when it is back", () => {
    using world = start();
    world.collect(line("8:0", "sda", FIRST), line("8:16", "sdb", FIRST));
    world.collect(line("8:0", "sda", FIRST), line("8:16", "sdb", SECOND));
    for (let i = 0; i < 9; i++) world.collect(line("8:0", "sda", FIRST));
    expect(world.charts.get("disk.sdb").isObsolete).toBe(false);
    world.collect(line("8:0", "sda", FIRST));
    for (const id of ["disk.sdb", "disk_ops.sdb", "disk_await.sdb", "disk_ext_ops.sdb"]) {
      expect(world.charts.get(id).isObsolete).toBe(true);
    }
    expect(world.charts.get("disk.sda").isObsolete).toBe(false);
    world.collect(line("8:0", "sda", FIRST), line("8:16", "sdb", SECOND));
    expect(world.charts.get("disk.sdb").isObsolete).toBe(false);
    expect(world.values("disk.sdb")).toEqual({ reads: 2165, writes: 4000 });
    // Averages begin anew: nothing is computed over the time it was away.
    expect(world.charts.get("disk_await.sdb").isObsolete).toBe(true);
  });

  test("lines may change their order at any time", () => {
    using world = start();
    world.collect(line("8:0", "sda", FIRST), line("8:16", "sdb", SECOND), line("8:32", "sdc", FIRST));
    world.collect(line("8:32", "sdc", FIRST), line("8:0", "sda", FIRST), line("8:16", "sdb", SECOND));
    expect(world.values("disk.sdb")).toEqual({ reads: 2165, writes: 4000 });
    expect(world.values("disk.sdc")).toEqual({ reads: 2000, writes: 4000 });
    world.collect(line("8:16", "sdb", FIRST));
    expect(world.values("disk.sdb")).toEqual({ reads: 2000, writes: 4000 });
    expect(world.charts.get("disk.sda").commitsUs).toHaveLength(2);
  });
});

describe("lines that are not understood", () => {
  test.each(["8 0 sda 1 2 3\n", "8 0 sda 1 2 3 4 5 6 7 8 9 10 x\n"])(
    "%j is told once, the others are collected",
    (bad) => {
      using world = start();
      for (let i = 0; i < 3; i++) world.collect(bad, line("8:16", "sdb", FIRST));
      expect(world.charts.get("disk.sdb").commitsUs).toHaveLength(3);
      expect(world.charts.all.has("disk.sda")).toBe(false);
      expect(world.context.log.lines).toEqual([
        {
          level: "warn",
          event: "collector.line_malformed",
          fields: { source: "/proc/diskstats", line: bad.trimEnd() },
        },
      ]);
    },
  );

  test("more disks than there is room for are left out, once told", () => {
    using world = start();
    const lines = Array.from({ length: 2060 }, (_, i) => line(`9:${i}`, `d${i}`, FIRST));
    world.collect(...lines);
    world.collect(...lines);
    expect([...world.charts.all.keys()].filter((id) => id.startsWith("disk."))).toHaveLength(2048);
    expect(world.context.log.events()).toEqual(["collector.objects_left_out"]);
  });
});

describe("mounts", () => {
  test("are read with their escapes, whole mounts before parts", () => {
    using tree = new TestTree();
    tree.write(
      "proc/self/mountinfo",
      [
        "30 20 8:2 /sub /part rw,bind shared:1 master:2 - ext4 /dev/sda2 rw,errors=remount-ro",
        "31 20 8:2 / /whole\\011tab rw,relatime - ext4 /dev/sda2 ro",
        "32 20 8:3 /only/part /etc/hosts rw - xfs /dev/sda3 rw",
        "no separator",
        "33 20 - nothing",
        "",
      ].join("\n"),
    );
    const mounts = readMounts(createTestContext(diskstats, { prefix: tree.root }).files);
    expect(mounts.map(({ mountPoint }) => mountPoint)).toEqual(["/part", "/whole\ttab", "/etc/hosts"]);
    expect(mounts[0]?.options).toEqual(["rw", "bind", "rw", "errors=remount-ro"]);
    expect(Object.fromEntries(mountPointsByDevice(mounts))).toEqual({ "8:2": "/whole\ttab", "8:3": "/etc/hosts" });
  });

  test("below a prefix are those of process 1", () => {
    using tree = new TestTree();
    tree.write("proc/self/mountinfo", "1 1 8:1 / /container rw - ext4 a rw\n");
    tree.write("proc/1/mountinfo", "1 1 8:1 / /host rw - ext4 a rw\n");
    const [mount] = readMounts(createTestContext(diskstats, { prefix: tree.root }).files);
    expect(mount?.mountPoint).toBe("/host");
  });
});
