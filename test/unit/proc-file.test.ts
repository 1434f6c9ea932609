import { describe, expect, test } from "bun:test";
import { createHostFiles, type FileCalls, isHostPrefix } from "../../agent/base/proc-file.ts";
import { SourceError } from "../../agent/base/source-error.ts";
import { TestTree } from "../collector-world.ts";

/** A failure of a system call. */
function failure(code: string): Error {
  return Object.assign(new Error(code), { code });
}

/** A file in memory that hands out at most `chunkBytes` a read; each entry of `failures` fails one read. */
class FakeFile implements FileCalls {
  content = "";
  chunkBytes = Number.POSITIVE_INFINITY;
  openFailure: string | undefined;
  readonly failures: string[] = [];
  opens = 0;
  closes = 0;
  reads = 0;

  open(): number {
    if (this.openFailure !== undefined) throw failure(this.openFailure);
    this.opens++;
    return 100 + this.opens;
  }

  read(_fd: number, bytes: Buffer, offset: number, length: number, position: number): number {
    this.reads++;
    const code = this.failures.shift();
    if (code !== undefined) throw failure(code);
    const end = Math.min(position + length, position + this.chunkBytes);
    return bytes.write(this.content.slice(position, end), offset, "latin1");
  }

  close(): void {
    this.closes++;
  }
}

function openFake(fake: FakeFile) {
  return createHostFiles("", fake).openProc("fake");
}

/** The code of the SourceError that `run` throws. */
function sourceCode(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(SourceError);
    return (error as SourceError).code;
  }
  return "nothing thrown";
}

describe("reading", () => {
  test("the descriptor stays open and every read starts at the beginning", () => {
    const fake = new FakeFile();
    const file = openFake(fake);
    for (const content of ["first", "second one", "3"]) {
      fake.content = content;
      const length = file.read();
      expect(file.bytes.toString("latin1", 0, length)).toBe(content);
    }
    expect([fake.opens, fake.closes]).toEqual([1, 0]);
    file[Symbol.dispose]();
    file[Symbol.dispose]();
    expect(fake.closes).toBe(1);
  });

  const sizes = [
    { what: "single record", size: 1500, chunk: 1e9, reads: 1 },
    { what: "2047 bytes: short, so it is all", size: 2047, chunk: 1e9, reads: 1 },
    { what: "2048 bytes: not short, asked again", size: 2048, chunk: 1e9, reads: 2 },
    { what: "records of about a page", size: 4050 * 3 + 3750, chunk: 4050, reads: 5 },
    { what: "records of about a page, a short one last", size: 4050 * 3 + 500, chunk: 4050, reads: 4 },
  ];
  test.each(sizes)("$what", ({ size, chunk, reads }) => {
    const fake = new FakeFile();
    fake.content = Array.from({ length: size }, (_, i) => String.fromCharCode(33 + (i % 90))).join("");
    fake.chunkBytes = chunk;
    const file = openFake(fake);
    const length = file.read();
    expect(file.bytes.toString("latin1", 0, length)).toBe(fake.content);
    expect(fake.reads).toBe(reads);
  });

  test("a file larger than the buffer is read whole", () => {
    const fake = new FakeFile();
    fake.content = Array.from({ length: 30_000 }, (_, i) => `${i}\n`).join("");
    expect(fake.content.length).toBeGreaterThan(150_000);
    const file = openFake(fake);
    const length = file.read();
    expect(length).toBe(fake.content.length);
    expect(file.bytes.toString("latin1", 0, length) === fake.content).toBe(true);
  });

  test("a file without end is refused, not kept in memory", () => {
    const calls: FileCalls = { open: () => 5, close: () => {}, read: (_fd, _bytes, _offset, length) => length };
    const file = createHostFiles("", calls).openProc("endless");
    expect(() => file.read()).toThrow("/proc/endless: larger than 8388608 bytes");
  });

  test("an empty file is no data", () => {
    const file = openFake(new FakeFile());
    expect(file.read()).toBe(0);
    expect(() => file.readSome()).toThrow("/proc/fake: empty");
    expect(sourceCode(() => file.readSome())).toBe("source_empty");
  });

  test("an attribute does not disturb the file that is walked", () => {
    using tree = new TestTree();
    tree.write("proc/stat", "cpu 1 2 3\n");
    tree.write("sys/a/b", "7\n");
    const files = createHostFiles(tree.root);
    using outer = files.openProc("stat");
    using inner = files.openSys("a/b");
    const length = outer.read();
    inner.read();
    expect(files.readLine("/proc/stat")).toBe("cpu 1 2 3");
    expect(outer.bytes.toString("latin1", 0, length)).toBe("cpu 1 2 3\n");
  });
});

describe("failures", () => {
  test.each(["ESTALE", "ENODEV", "EBADF", "EINVAL", "ENOENT"])("%s: opened again once, in the same read", (code) => {
    const fake = new FakeFile();
    fake.content = "back";
    const file = openFake(fake);
    fake.failures.push(code);
    expect(file.read()).toBe(4);
    expect([fake.opens, fake.closes]).toEqual([2, 1]);
  });

  const failures = [
    { code: "ENOENT", expected: "source_missing" },
    { code: "ENODEV", expected: "source_missing" },
    { code: "EOPNOTSUPP", expected: "source_unsupported" },
    { code: "EACCES", expected: "source_denied" },
    { code: "EPERM", expected: "source_denied" },
    { code: "EIO", expected: "source_read" },
    { code: "EINVAL", expected: "source_read" },
  ];
  test.each(failures)("a read that goes on failing with $code is $expected", ({ code, expected }) => {
    const fake = new FakeFile();
    const file = openFake(fake);
    fake.failures.push(code, code);
    expect(sourceCode(() => file.read())).toBe(expected);
    expect(fake.opens).toBe(fake.closes);
    fake.failures.length = 0;
    fake.content = "later";
    expect(file.read()).toBe(5);
  });

  test.each(failures)("an open that fails with $code is $expected", ({ code, expected }) => {
    const fake = new FakeFile();
    fake.openFailure = code;
    expect(sourceCode(() => openFake(fake))).toBe(expected);
  });

  test("the message names the path and the cause", () => {
    const fake = new FakeFile();
    fake.openFailure = "EMFILE";
    expect(() => openFake(fake)).toThrow("/proc/fake: EMFILE");
  });

  test("a folder in place of a file", () => {
    using tree = new TestTree();
    tree.write("proc/stat/inside", "");
    expect(sourceCode(() => createHostFiles(tree.root).openProc("stat").read())).toBe("source_read");
  });
});

describe("the files of a host", () => {
  test("are looked for below the prefix", () => {
    using tree = new TestTree();
    tree.write("proc/stat", "cpu 1\n");
    tree.write("sys/block/sda/size", "no line end");
    const files = createHostFiles(tree.root);
    expect(files.exists("/sys/block/sda")).toBe(true);
    expect(files.exists("/sys/block/sdb")).toBe(false);
    expect(files.isDirectory("/sys/block")).toBe(true);
    expect(files.isDirectory("/proc/stat")).toBe(false);
    expect(files.isDirectory("/nowhere")).toBe(false);
    expect(files.list("/sys/block")).toEqual(["sda"]);
    expect(files.list("/nowhere")).toEqual([]);
    expect(files.readLine("/sys/block/sda/size")).toBe("no line end");
    expect(files.readLine("/nowhere")).toBeUndefined();
    expect(isHostPrefix(tree.root)).toBe(true);
    expect(isHostPrefix(`${tree.root}/proc`)).toBe(false);
  });

  test("a file system is measured in blocks that add up", () => {
    const { blockBytes, blocks, blocksFree, blocksAvailable } = createHostFiles("").measureFilesystem("/");
    expect(blockBytes).toBeGreaterThanOrEqual(512);
    expect(blocks).toBeGreaterThanOrEqual(blocksFree);
    expect(blocksFree).toBeGreaterThanOrEqual(blocksAvailable);
    expect(sourceCode(() => createHostFiles("").measureFilesystem("/nowhere/at/all"))).toBe("source_missing");
  });
});
