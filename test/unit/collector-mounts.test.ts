import { describe, expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { createHostFiles, type FilesystemSize, type HostFiles } from "../../agent/base/proc-file.ts";
import { SourceError } from "../../agent/base/source-error.ts";
import type { CollectorSettings } from "../../agent/collector/collector.ts";
import { diskspace, startDiskspace } from "../../agent/collector/proc/diskspace.ts";
import type { ProbeAnswer, ProbeWorker } from "../../agent/collector/sys/filesystem-probe.ts";
import { FilesystemProbe, startProbeWorker } from "../../agent/collector/sys/filesystem-probe.ts";
import { createTestContext, RecordedLog, SteppedClock, TestTree } from "../collector-world.ts";

const SIZE: FilesystemSize = {
  blockBytes: 4096,
  blocks: 1000,
  blocksFree: 400,
  blocksAvailable: 350,
  files: 100,
  filesFree: 60,
};

/** Threads that answer when the test says so. */
class FakeWorkers {
  readonly started: FakeWorker[] = [];
  failure: Error | undefined;

  readonly create = (onAnswer: (answer: ProbeAnswer) => void): ProbeWorker => {
    if (this.failure !== undefined) throw this.failure;
    const worker = new FakeWorker(onAnswer);
    this.started.push(worker);
    return worker;
  };

  get running(): number {
    return this.started.filter((worker) => !worker.isStopped).length;
  }
}

class FakeWorker implements ProbeWorker {
  readonly asked: string[] = [];
  isStopped = false;
  private readonly onAnswer: (answer: ProbeAnswer) => void;

  constructor(onAnswer: (answer: ProbeAnswer) => void) {
    this.onAnswer = onAnswer;
  }

  ask(path: string): void {
    this.asked.push(path);
  }

  stop(): void {
    this.isStopped = true;
  }

  /** Answers the last question. */
  answer(size: FilesystemSize | undefined = SIZE): void {
    const path = this.asked.at(-1) ?? "";
    this.onAnswer(size === undefined ? { path } : { path, size });
  }
}

function start(mounts: readonly string[], settings: Partial<CollectorSettings> = {}) {
  const tree = new TestTree();
  const sizes = new Map<string, FilesystemSize | Error>();
  let measureMs = 0;
  const measured: string[] = [];
  const writeMounts = (lines: readonly string[]): void => {
    tree.write("proc/self/mountinfo", lines.map((line, i) => `${i} 1 0:${i} / ${line}\n`).join(""));
    for (const line of lines) mkdirSync(`${tree.root}${line.split(" ")[0]}`, { recursive: true });
  };
  writeMounts(mounts);
  const real = createHostFiles(tree.root);
  const tableReads = { count: 0 };
  const files: HostFiles = {
    ...real,
    openProc: (path) => {
      if (path.endsWith("mountinfo")) tableReads.count++;
      return real.openProc(path);
    },
    measureFilesystem: (path) => {
      measured.push(path);
      context.clock.block(measureMs);
      const size = sizes.get(path) ?? SIZE;
      if (size instanceof Error) throw size;
      return size;
    },
  };
  const context = createTestContext(diskspace, { files, settings });
  const workers = new FakeWorkers();
  const collector = startDiskspace(context, workers.create);
  return {
    tree,
    context,
    charts: context.charts,
    workers,
    sizes,
    measured,
    tableReads,
    writeMounts,
    setMeasureMs: (ms: number) => {
      measureMs = ms;
    },
    collect(cycles = 1) {
      for (let i = 0; i < cycles; i++) {
        context.clock.advance(1000);
        collector.collect(context.clock.nowUs());
      }
    },
    spaces: () => [...context.charts.all.keys()].filter((id) => id.startsWith("disk_space.")),
    [Symbol.dispose]() {
      collector[Symbol.dispose]();
      tree[Symbol.dispose]();
    },
  };
}

describe("which mounts", () => {
  test("those that hold files of this machine", () => {
    using world = start([
      "/ rw - ext4 /dev/sda1 rw",
      "/proc rw - proc proc rw",
      "/sys/fs/cgroup rw - cgroup2 cgroup2 rw",
      "/dev rw - devtmpfs devtmpfs rw",
      "/dev/pts rw - devpts devpts rw",
      "/run/user/1000 rw - tmpfs tmpfs rw",
      "/home rw,bind - ext4 /dev/sda2 rw",
      "/usr ro,nodev - ext4 /dev/sda3 rw",
      "/media/cd rw - iso9660 /dev/sr0 ro",
      "/mnt/far rw - fuse.sshfs me@there rw",
      "/misc rw - autofs systemd-1 rw",
      "/dev/shm rw - tmpfs tmpfs rw",
    ]);
    world.collect();
    expect(world.spaces()).toEqual(["disk_space._", "disk_space._dev", "disk_space._dev_shm"]);
    expect(world.charts.get("disk_space._dev_shm").meta).toMatchObject({
      family: "/dev/shm",
      context: "disk.space",
      labels: { mount_point: "/dev/shm", filesystem: "tmpfs", mount_root: "/" },
    });
  });

  test("a file mounted on a file is none", () => {
    using world = start(["/ rw - ext4 /dev/sda1 rw"]);
    world.tree.write("etc/hosts", "");
    world.tree.write("proc/self/mountinfo", "1 1 8:1 /x/hosts /etc/hosts rw - ext4 /dev/sda1 rw\n");
    const context = createTestContext(diskspace, { prefix: world.tree.root });
    using collector = startDiskspace(context, world.workers.create);
    collector.collect(context.clock.nowUs());
    expect([...context.charts.all.keys()]).toEqual([]);
  });

  test("names that would share an id are told apart", () => {
    using world = start(["/a.b rw - ext4 x rw", "/a_b rw - ext4 y rw", "/a\\040b rw - ext4 z rw"]);
    world.tree.write("a b/x", "");
    world.context.clock.advance(15_000);
    world.collect();
    expect(world.spaces().sort()).toEqual(["disk_space._a_b", "disk_space._a_b_2", "disk_space._a_b_3"]);
  });

  test("without a mount table there is an error", () => {
    using tree = new TestTree();
    const context = createTestContext(diskspace, { prefix: tree.root });
    expect(() => startDiskspace(context)).toThrow("mountinfo: ENOENT");
  });
});

describe("values", () => {
  test("blocks and inodes", () => {
    using world = start(["/ rw - ext4 /dev/sda1 rw"]);
    world.collect();
    const space = world.charts.get("disk_space._");
    expect(space.committed).toEqual({ avail: 350, used: 600, reserved_for_root: 50 });
    expect(space.dimensions.get("avail")).toMatchObject({ multiplier: 4096, divisor: 1_073_741_824 });
    expect(world.charts.get("disk_inodes._").committed).toEqual({ avail: 60, used: 40, reserved_for_root: 0 });
  });

  test("no inodes where the file system has none, nothing where it has no blocks", () => {
    using world = start(["/btrfs rw - btrfs a rw", "/pseudo rw - bpf b rw"], { zeroMetrics: true });
    world.sizes.set("/btrfs", { ...SIZE, files: 0, filesFree: 0 });
    world.sizes.set("/pseudo", { ...SIZE, blocks: 0, blocksFree: 0, blocksAvailable: 0, files: 0, filesFree: 0 });
    world.collect();
    expect([...world.charts.all.keys()]).toEqual(["disk_space._btrfs"]);
  });

  test("one that cannot be measured is a gap; the others go on", () => {
    using world = start(["/ rw - ext4 a rw", "/b rw - ext4 b rw"]);
    world.collect();
    world.sizes.set("/", new SourceError("source_read", "/: EIO"));
    world.collect(3);
    expect(world.charts.get("disk_space._").commitsUs).toHaveLength(1);
    expect(world.charts.get("disk_space._b").commitsUs).toHaveLength(4);
  });
});

describe("mounting and unmounting", () => {
  test("a new mount is found within 15 s", () => {
    using world = start(["/ rw - ext4 a rw"]);
    world.collect();
    world.writeMounts(["/ rw - ext4 a rw", "/usb rw - vfat b rw"]);
    world.collect(15);
    expect(world.spaces()).toEqual(["disk_space._", "disk_space._usb"]);
  });

  test("the size of the directory below is never shown for a file system that is gone", () => {
    using world = start(["/ rw - ext4 a rw", "/usb rw - vfat b rw"]);
    world.sizes.set("/usb", { ...SIZE, blocks: 77, blocksFree: 7, blocksAvailable: 7 });
    world.collect();
    world.writeMounts(["/ rw - ext4 a rw"]);
    world.sizes.delete("/usb"); // statfs now measures what is below
    world.collect();
    const chart = world.charts.get("disk_space._usb");
    expect(chart.commitsUs).toHaveLength(1);
    world.collect(9);
    expect(chart.isObsolete).toBe(false);
    world.collect(1);
    expect(chart.isObsolete).toBe(true);
    expect(world.charts.get("disk_inodes._usb").isObsolete).toBe(true);
  });

  test("a file system that grows by itself is looked after once, not for ever", () => {
    using world = start(["/pool rw - zfs pool rw"]);
    world.collect();
    world.tableReads.count = 0;
    for (let i = 1; i <= 10; i++) {
      world.sizes.set("/pool", { ...SIZE, blocks: 1000 + i });
      world.collect();
      expect(world.charts.get("disk_space._pool").committed["used"]).toBe(600 + i);
    }
    expect(world.tableReads.count).toBe(1);
  });

  test("one that turns read-only stays; one that comes read-only does not appear", () => {
    using world = start(["/a rw - ext4 a rw"]);
    world.collect();
    world.writeMounts(["/a ro - ext4 a rw", "/b ro - ext4 b rw"]);
    world.collect(20);
    expect(world.charts.get("disk_space._a").commitsUs).toHaveLength(21);
    expect(world.spaces()).toEqual(["disk_space._a"]);
  });
});

describe("file systems that may hang", () => {
  test.each(["nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "fuse.rclone", "fuse"])(
    "%s is never touched by the main thread",
    (type) => {
      using world = start([`/far rw - ${type} there:/x rw`, "/far/near rw - ext4 /dev/sdb rw"]);
      world.tree.remove("far"); // it could not even be looked at
      world.collect(2);
      expect(world.measured).toEqual([]);
      const [worker] = world.workers.started;
      expect(worker?.asked).toEqual([`${world.tree.root}/far`]);
      worker?.answer();
      expect(worker?.asked.at(-1)).toBe(`${world.tree.root}/far/near`);
      worker?.answer();
      world.collect();
      expect(world.spaces()).toEqual(["disk_space._far", "disk_space._far_near"]);
      expect(world.workers.running).toBe(1);
    },
  );

  test("one that is mounted over a local one moves to the thread", () => {
    using world = start(["/data rw - ext4 /dev/sda2 rw"]);
    world.collect();
    expect(world.measured).toEqual(["/data"]);
    world.writeMounts(["/data rw - ext4 /dev/sda2 rw", "/data rw - nfs4 there:/data rw"]);
    world.collect(14);
    world.measured.length = 0;
    world.collect(5);
    expect(world.measured).toEqual([]);
    expect(world.workers.started[0]?.asked).toEqual([`${world.tree.root}/data`]);
  });

  test("no thread without one", () => {
    using world = start(["/ rw - ext4 a rw"]);
    world.collect(20);
    expect(world.workers.started).toHaveLength(0);
  });

  test("measured every 5 s, shown every second, a gap when it hangs", () => {
    using world = start(["/far rw - nfs4 there:/x rw"]);
    world.collect();
    const worker = world.workers.started[0]!;
    worker.answer();
    world.collect(20);
    expect(worker.asked).toHaveLength(2);
    const { commitsUs } = world.charts.get("disk_space._far");
    expect(commitsUs).toHaveLength(14); // asked at 1 s, again at 6 s without an answer, given up at 16 s
    expect(world.context.log.events()).toEqual(["collector.mount_hung"]);
  });

  test("a slow local one moves to the thread", () => {
    using world = start(["/slow rw - ext4 a rw", "/ rw - ext4 b rw"]);
    world.setMeasureMs(20);
    world.collect(3);
    world.setMeasureMs(0);
    world.measured.length = 0;
    world.collect(1);
    expect(world.measured).toEqual([]);
    expect(world.workers.started[0]?.asked).toEqual([`${world.tree.root}/slow`]);
    expect(world.context.log.events()).toEqual(["collector.mount_slow", "collector.mount_slow"]);
  });

  test("the thread stops when its last mount is gone", () => {
    using world = start(["/far rw - nfs4 there:/x rw"]);
    world.collect();
    const worker = world.workers.started[0];
    worker?.answer();
    world.writeMounts(["/ rw - ext4 a rw"]);
    world.collect(13);
    expect(worker?.asked).toHaveLength(2);
    expect(world.workers.running).toBe(1);
    world.collect(2); // the mount table is read again while the second question is open
    worker?.answer();
    expect(world.workers.running).toBe(0);
  });
});

describe("the probe", () => {
  function createProbe() {
    const clock = new SteppedClock();
    const log = new RecordedLog();
    const workers = new FakeWorkers();
    const probe = new FilesystemProbe(clock, log, workers.create);
    const pass = (seconds: number): void => {
      for (let i = 0; i < seconds; i++) {
        clock.advance(1000);
        probe.poll();
      }
    };
    return { clock, log, workers, probe, pass };
  }

  test("a hung mount costs one thread; the others go on in another", () => {
    const { log, workers, probe, pass } = createProbe();
    probe.follow(["/dead", "/alive"]);
    pass(1);
    expect(workers.started[0]?.asked).toEqual(["/dead"]);
    pass(10);
    expect(log.events()).toEqual(["collector.mount_hung"]);
    expect(workers.started[1]?.asked).toEqual(["/alive"]);
    for (let i = 0; i < 10; i++) {
      workers.started[1]?.answer();
      pass(5);
    }
    expect(probe.latest("/alive")).toEqual(SIZE);
    expect(probe.latest("/dead")).toBeUndefined();
    expect(workers.started).toHaveLength(2);
    workers.started[0]?.answer(); // the server is back
    expect(log.events()).toEqual(["collector.mount_hung", "collector.mount_back"]);
    expect(probe.latest("/dead")).toEqual(SIZE);
    expect(workers.started[0]?.isStopped).toBe(true);
    expect(workers.running).toBe(1);
    workers.started[1]?.answer();
    pass(6);
    expect(workers.started[1]?.asked).toContain("/dead");
  });

  test("at most three threads hang, then nothing is started until one is back", () => {
    const { workers, probe, pass } = createProbe();
    probe.follow(["/a", "/b", "/c", "/d", "/e"]);
    pass(600);
    expect(workers.started.map((worker) => worker.asked)).toEqual([["/a"], ["/b"], ["/c"]]);
    workers.started[1]?.answer(undefined);
    pass(1);
    expect(workers.started).toHaveLength(4);
    expect(workers.running).toBe(3);
  });

  test("a thread that cannot be started is tried again after a minute", () => {
    const { log, workers, probe, pass } = createProbe();
    workers.failure = new Error("no more threads");
    probe.follow(["/a"]);
    pass(60);
    expect(log.events()).toEqual(["collector.probe_not_started"]);
    workers.failure = undefined;
    pass(2);
    expect(workers.started).toHaveLength(1);
  });

  test("dispose stops all threads", () => {
    const { workers, probe, pass } = createProbe();
    probe.follow(["/a", "/b"]);
    pass(20);
    probe[Symbol.dispose]();
    expect(workers.started.length).toBeGreaterThan(1);
    expect(workers.running).toBe(0);
    workers.started[0]?.answer();
    expect(probe.latest("/a")).toBeUndefined();
  });

  test("a real thread measures a folder and refuses what is none", async () => {
    const answers = Promise.withResolvers<ProbeAnswer[]>();
    const received: ProbeAnswer[] = [];
    const worker = startProbeWorker((answer) => {
      received.push(answer);
      if (received.length === 3) answers.resolve(received);
    });
    for (const path of ["/", "/proc/self/stat", "/nowhere"]) worker.ask(path);
    const [root, file, nothing] = await answers.promise;
    worker.stop();
    expect(root?.size?.blocks).toBeGreaterThan(0);
    expect(root?.size).toMatchObject({ blockBytes: createHostFiles("").measureFilesystem("/").blockBytes });
    expect([file?.path, file?.size]).toEqual(["/proc/self/stat", undefined]);
    expect([nothing?.path, nothing?.size]).toEqual(["/nowhere", undefined]);
  });
});
