import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { createHostFiles, type FileCalls } from "../../agent/base/proc-file.ts";
import { SourceError } from "../../agent/base/source-error.ts";
import type { CollectorModule } from "../../agent/collector/collector.ts";
import { readMounts } from "../../agent/collector/proc/mount-table.ts";
import { COLLECTORS } from "../../agent/collector/registry.ts";
import { createTestContext, unpackFixture } from "../collector-world.ts";
import { IS_SOAK, TEST_SEED } from "../seeded-random.ts";

/** The long run takes minutes a case. */
const TIMEOUT_MS = IS_SOAK ? 1_800_000 : 60_000;

/** The file each collector reads every second. */
const SOURCES: Record<string, string[]> = {
  stat: ["/proc/stat"],
  loadavg: ["/proc/loadavg", "/proc/sys/kernel/pid_max"],
  uptime: ["/proc/uptime"],
  pressure: ["/proc/pressure/cpu"],
  meminfo: ["/proc/meminfo", "/proc/spl/kstat/zfs/arcstats"],
  vmstat: ["/proc/vmstat"],
  diskstats: ["/proc/diskstats", "/proc/1/mountinfo"],
  netdev: ["/proc/1/net/dev", "/sys/class/net/eth0/speed", "/sys/class/net/eth0/operstate"],
  diskspace: ["/proc/1/mountinfo"],
};

/** Files in memory, made of the recorded tree; one of them can be replaced. */
class MemoryFiles implements FileCalls {
  private readonly contents = new Map<string, Buffer>();
  private readonly opened: Buffer[] = [];
  private replaced: { path: string; content: Buffer } = { path: "", content: Buffer.alloc(0) };

  constructor(root: string) {
    const walk = (folder: string): void => {
      for (const name of readdirSync(folder)) {
        const path = join(folder, name);
        if (statSync(path).isDirectory()) walk(path);
        else this.contents.set(path.slice(root.length), readFileSync(path));
      }
    };
    walk(root);
  }

  /** @param path in the recorded tree. */
  original(path: string): Buffer {
    return this.contents.get(path) ?? Buffer.alloc(0);
  }

  replace(path: string, content: Buffer): void {
    this.replaced = { path, content };
  }

  /** Paths come with the prefix, descriptors are positions of a list of paths. */
  open(path: string): number {
    const inside = path.slice(path.indexOf("/root/") + "/root".length);
    const content = inside === this.replaced.path ? this.replaced.content : this.contents.get(inside);
    if (content === undefined) throw Object.assign(new Error("ENOENT"), { code: "ENOENT" });
    return this.opened.push(content) - 1;
  }

  read(fd: number, bytes: Buffer, offset: number, length: number, position: number): number {
    return this.opened[fd]!.copy(bytes, offset, position, position + length);
  }

  close(): void {}

  forget(): void {
    this.opened.length = 0;
  }
}

/**
 * Two cycles with one damaged file. The recorded charts refuse anything but exact integers, so a NaN that gets out
 * fails here too.
 */
function survives(module: CollectorModule, files: MemoryFiles, root: string): void {
  files.forget();
  const context = createTestContext(module, {
    files: createHostFiles(root, files),
    settings: { zeroMetrics: true, partitions: true },
  });
  try {
    using collector = module.start(context);
    for (let cycle = 0; cycle < 2; cycle++) {
      context.clock.block(1000);
      try {
        collector.collect(context.clock.nowUs());
      } catch (error) {
        if (!(error instanceof SourceError)) throw error;
      }
    }
  } catch (error) {
    if (!(error instanceof SourceError)) throw error;
  }
  for (const chart of context.charts.all.values()) {
    for (const value of Object.values(chart.committed)) {
      if (typeof value === "number" && !Number.isSafeInteger(value)) throw new Error(`${chart.id}: ${value}`);
    }
  }
}

const EDITS = fc.record({
  kind: fc.constantFrom("byte", "word", "double", "drop", "swap"),
  at: fc.nat(1_000_000),
  byte: fc.nat(255),
  word: fc.constantFrom("", "-", "-1", "x", ":", "\t", "  ", "99999999999999999999", "1e9", "0x1", "\0", "ÿ"),
});
type Edit = typeof EDITS extends fc.Arbitrary<infer T> ? T : never;

/** Changes one line of a text. */
function damage(lines: string[], { kind, at, byte, word }: Edit): void {
  if (lines.length === 0) lines.push("");
  const index = at % lines.length;
  const line = lines[index] ?? "";
  if (kind === "double") lines.splice(index, 0, line);
  else if (kind === "drop") lines.splice(index, 1);
  else if (kind === "swap") lines.push(...lines.splice(index, 1));
  else if (kind === "word") {
    const words = line.split(" ");
    lines[index] = words.with(at % words.length, word).join(" ");
  } else {
    const place = at % (line.length + 1);
    lines[index] = line.slice(0, place) + String.fromCharCode(byte) + line.slice(place + 1);
  }
}

describe("damaged sources", async () => {
  const tree = await unpackFixture("fixture-root-cgroup1");
  const root = join(tree.root, "root");
  const files = new MemoryFiles(root);
  const cases = COLLECTORS.flatMap((module) => (SOURCES[module.name] ?? []).map((path) => ({ module, path })));

  test("each collector is among the cases", () => {
    expect(Object.keys(SOURCES).sort()).toEqual(COLLECTORS.map(({ name }) => name).sort());
    for (const { path } of cases) expect(files.original(path).length).toBeGreaterThan(0);
  });

  test.each(cases)(
    "$module.name: $path cut at every byte",
    ({ module, path }) => {
      const whole = files.original(path);
      const step = whole.length > 1000 ? (IS_SOAK ? 1 : 3) : 1;
      for (let length = 0; length <= whole.length; length += step) {
        files.replace(path, whole.subarray(0, length));
        survives(module, files, root);
      }
    },
    TIMEOUT_MS,
  );

  test.each(cases)(
    "$module.name: $path with bytes changed, lines doubled, dropped and swapped",
    ({ module, path }) => {
      const whole = files.original(path);
      const lines = whole.toString("latin1").split("\n");
      const run = fc.property(fc.array(EDITS, { minLength: 1, maxLength: 8 }), (edits) => {
        const text = [...lines];
        for (const edit of edits) damage(text, edit);
        files.replace(path, Buffer.from(text.join("\n"), "latin1"));
        survives(module, files, root);
      });
      fc.assert(run, { seed: TEST_SEED, numRuns: IS_SOAK ? 20_000 : 150 });
    },
    TIMEOUT_MS,
  );

  test.each(cases)(
    "$module.name: $path of any bytes",
    ({ module, path }) => {
      const run = fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        files.replace(path, Buffer.from(bytes));
        survives(module, files, root);
      });
      fc.assert(run, { seed: TEST_SEED, numRuns: IS_SOAK ? 5000 : 50 });
    },
    TIMEOUT_MS,
  );

  test(
    "a mount table of any bytes is a list",
    () => {
      const run = fc.property(fc.string({ maxLength: 300 }), (text) => {
        files.replace("/proc/1/mountinfo", Buffer.from(`30 20 8:2 / ${text} - ext4 x rw\n${text}`));
        files.forget();
        const context = createTestContext(COLLECTORS[0]!, { files: createHostFiles(root, files) });
        for (const mount of readMounts(context.files)) {
          if (mount.mountPoint === "" || mount.device === "") throw new Error(JSON.stringify(mount));
        }
      });
      fc.assert(run, { seed: TEST_SEED, numRuns: IS_SOAK ? 20_000 : 500 });
    },
    TIMEOUT_MS,
  );

  tree[Symbol.dispose]();
});
