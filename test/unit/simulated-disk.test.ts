import { describe, expect, test } from "bun:test";
import { BugError, errorCode } from "../../agent/base/errors.ts";
import { SeededRandom } from "../seeded-random.ts";
import { SimulatedDisk } from "../simulated-disk.ts";

const encode = (text: string) => new TextEncoder().encode(text);

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return errorCode(error);
  }
  return "nothing thrown";
}

function diskWith(files: Record<string, string | Uint8Array>): SimulatedDisk {
  const disk = new SimulatedDisk();
  disk.makeDirectory("/db");
  for (const [name, content] of Object.entries(files)) {
    using file = disk.create(`/db/${name}`);
    file.write(typeof content === "string" ? encode(content) : content);
    file.sync();
  }
  disk.syncDirectory("/db");
  return disk;
}

const text = (disk: SimulatedDisk, name: string) => disk.read(`/db/${name}`)?.toString() ?? null;

/** What a power loss leaves of the same disk, for many seeds: each outcome once. */
function outcomes(prepare: () => SimulatedDisk, look: (disk: SimulatedDisk) => string): string[] {
  const seen = new Set<string>();
  for (let seed = 0; seed < 200; seed++) {
    const disk = prepare();
    const random = new SeededRandom(seed);
    disk.powerLoss(() => random.next());
    seen.add(look(disk));
  }
  return [...seen].sort();
}

describe("faults", () => {
  test("a full disk takes what fits", () => {
    const disk = diskWith({ a: "12345" });
    disk.capacityBytes = 8;
    using file = disk.append("/db/b");
    expect(codeOf(() => file.write(encode("6789")))).toBe("file_enospc");
    expect(text(disk, "b")).toBe("678");
    expect([disk.freeBytes("/db"), disk.usedBytes]).toEqual([0, 8]);
    expect(codeOf(() => disk.createExclusive("/db/c", encode("x")))).toBe("file_enospc");
    expect(text(disk, "c")).toBeNull();
    file.truncate(1);
    file.write(encode("8"));
    expect(text(disk, "b")).toBe("68");
    disk.remove("/db/a");
    expect(disk.freeBytes("/db")).toBe(6);
  });

  test("a read-only disk is read, and changed by nothing", () => {
    const disk = diskWith({ a: "kept" });
    using file = disk.append("/db/a");
    disk.isReadOnly = true;
    const changes = [
      () => disk.create("/db/b"),
      () => disk.createExclusive("/db/b", encode("x")),
      () => disk.append("/db/a"),
      () => disk.map("/db/a"),
      () => disk.rename("/db/a", "/db/b"),
      () => disk.remove("/db/a"),
      () => disk.makeDirectory("/db/new"),
      () => file.write(encode("x")),
      () => file.truncate(0),
    ];
    expect(changes.map(codeOf)).toEqual(changes.map(() => "file_erofs"));
    disk.makeDirectory("/db");
    expect([disk.list("/db"), disk.size("/db/a"), text(disk, "a")]).toEqual([["a"], 4, "kept"]);
  });

  test("a plan fails the n-th call, as often and where it says", async () => {
    const disk = diskWith({ a: "a", b: "b" });
    disk.fail("read", "EIO", { nth: 2, times: 2 });
    const reads = Array.from({ length: 5 }, () => codeOf(() => disk.read("/db/a")));
    expect(reads).toEqual(["nothing thrown", "file_eio", "file_eio", "nothing thrown", "nothing thrown"]);
    disk.fail("any", "EACCES", { below: "/db/a", times: Number.POSITIVE_INFINITY });
    expect([codeOf(() => disk.size("/db/a")), codeOf(() => disk.size("/db/b"))]).toEqual([
      "file_eacces",
      "nothing thrown",
    ]);
    expect(codeOf(() => disk.map("/db/a"))).toBe("file_eacces");
    disk.heal();
    expect(text(disk, "a")).toBe("a");
    disk.fail("sync", "EIO");
    await expect(disk.sync("/db/a")).rejects.toThrow(
      "/db/a: cannot flush to the disk: the disk reports an error (EIO)",
    );
    await disk.sync("/db/a");
  });

  test("a failing write may take a part", () => {
    const disk = diskWith({});
    using file = disk.create("/db/lines");
    disk.fail("write", "EIO", { takes: 3 });
    expect(codeOf(() => file.write(encode("line\n")))).toBe("file_eio");
    expect(text(disk, "lines")).toBe("lin");
  });

  test("calls are counted, so that each can be made to fail in turn", () => {
    const save = (disk: SimulatedDisk) => {
      using file = disk.create("/db/x.tmp");
      file.write(encode("new"));
      file.sync();
      disk.rename("/db/x.tmp", "/db/x");
      disk.syncDirectory("/db");
    };
    const whole = diskWith({ x: "old" });
    const before = whole.calls;
    save(whole);
    const steps = whole.calls - before;
    expect(steps).toBe(5);
    for (let nth = 1; nth <= steps; nth++) {
      const disk = diskWith({ x: "old" });
      disk.fail("any", "EIO", { nth });
      expect(codeOf(() => save(disk))).toBe("file_eio");
      expect(text(disk, "x")).toBe(nth === steps ? "new" : "old");
    }
  });

  test("a mapped file that is cut or grows is a mistake of the caller", () => {
    const disk = diskWith({ seg: "12345678" });
    disk.map("/db/seg");
    using file = disk.append("/db/seg");
    expect(() => file.truncate(4)).toThrow(BugError);
    expect(() => file.write(encode("9"))).toThrow(BugError);
    expect(() => disk.read("relative")).toThrow(BugError);
  });
});

describe("a killed process", () => {
  test("leaves all that was written and stored, and nothing of what it does after", () => {
    const disk = diskWith({ seg: "12345678" });
    const mapped = disk.map("/db/seg");
    const file = disk.append("/db/lines");
    file.write(encode("a\nha"));
    mapped[0] = 0x39;
    disk.rename("/db/lines", "/db/renamed");
    disk.crash();
    mapped[1] = 0x39;
    expect(() => file.write(encode("x"))).toThrow("a dead process");
    expect(disk.list("/db")).toEqual(["renamed", "seg"]);
    expect([text(disk, "seg"), text(disk, "renamed")]).toEqual(["92345678", "a\nha"]);
    disk.map("/db/seg")[2] = 0x39;
    expect(text(disk, "seg")).toBe("92945678");
  });

  test("does not finish its flushes", async () => {
    const disk = diskWith({ seg: "1" });
    disk.map("/db/seg")[0] = 0x32;
    const flush = disk.sync("/db/seg");
    disk.crash();
    await flush;
    disk.powerLoss(() => 0.9);
    expect(text(disk, "seg")).toBe("1");
  });
});

describe("a power loss", () => {
  test("takes nothing that was flushed", async () => {
    const disk = diskWith({ seg: "12345678" });
    disk.map("/db/seg")[0] = 0x39;
    await disk.sync("/db/seg");
    disk.makeDirectory("/db/host/deep");
    const look = (left: SimulatedDisk) => `${left.list("/db")} ${text(left, "seg")} ${left.list("/db/host")}`;
    expect(outcomes(() => disk, look)).toEqual(["host,seg 92345678 deep"]);
  });

  test("keeps or drops each changed page", () => {
    const prepare = () => {
      const disk = diskWith({ seg: new Uint8Array(3 * 4096).fill(0x61) });
      const bytes = disk.map("/db/seg");
      bytes[10] = bytes[20] = 0x62;
      bytes[2 * 4096] = 0x62;
      return disk;
    };
    const look = (disk: SimulatedDisk) => {
      const bytes = disk.read("/db/seg")!;
      return String.fromCharCode(bytes[10]!, bytes[20]!, bytes[4096]!, bytes[2 * 4096]!);
    };
    expect(outcomes(prepare, look)).toEqual(["aaaa", "aaab", "bbaa", "bbab"]);
  });

  test("keeps any length of what was appended, and zeros where its page was lost", () => {
    const prepare = () => {
      const disk = diskWith({ lines: "abc" });
      using file = disk.append("/db/lines");
      file.write(encode("de"));
      return disk;
    };
    expect(outcomes(prepare, (disk) => text(disk, "lines")!)).toEqual(["abc", "abc\0", "abc\0\0", "abcd", "abcde"]);
  });

  test("keeps or drops a cut", () => {
    const prepare = () => {
      const disk = diskWith({ lines: "abcde" });
      using file = disk.append("/db/lines");
      file.truncate(4);
      return disk;
    };
    expect(outcomes(prepare, (disk) => text(disk, "lines")!)).toEqual(["abcd", "abcde"]);
  });

  test("keeps or drops each name; a rename whole or not at all", () => {
    const prepare = () => {
      const disk = diskWith({ x: "old", gone: "g" });
      using file = disk.create("/db/x.tmp");
      file.write(encode("new"));
      file.sync();
      disk.rename("/db/x.tmp", "/db/x");
      disk.remove("/db/gone");
      return disk;
    };
    const look = (disk: SimulatedDisk) => `${disk.list("/db")} ${text(disk, "x")}`;
    expect(outcomes(prepare, look)).toEqual([
      "gone,x new",
      "gone,x old",
      "gone,x,x.tmp old",
      "x new",
      "x old",
      "x,x.tmp old",
    ]);
  });

  test("takes the content of a new file that was not flushed, though its name is", () => {
    const prepare = () => {
      const disk = diskWith({});
      disk.createExclusive("/db/.lock", encode("ab"));
      disk.syncDirectory("/db");
      return disk;
    };
    expect(outcomes(prepare, (disk) => text(disk, ".lock")!)).toEqual(["", "\0", "\0\0", "a", "ab"]);
  });

  test("what it left is on the disk", () => {
    const disk = diskWith({ seg: "1" });
    disk.map("/db/seg")[0] = 0x32;
    disk.create("/db/new")[Symbol.dispose]();
    disk.powerLoss(() => 0.4);
    expect([disk.list("/db"), text(disk, "seg")]).toEqual([["new", "seg"], "2"]);
    disk.powerLoss(() => 0.9);
    expect([disk.list("/db"), text(disk, "seg")]).toEqual([["new", "seg"], "2"]);
  });

  test("a directory flush covers its own names only", () => {
    const disk = diskWith({});
    disk.makeDirectory("/db/a");
    disk.create("/db/a/in")[Symbol.dispose]();
    disk.create("/db/out")[Symbol.dispose]();
    disk.syncDirectory("/db/a");
    disk.powerLoss(() => 0.9);
    expect([disk.list("/db"), disk.list("/db/a")]).toEqual([["a"], ["in"]]);
  });
});
