import { describe, expect, test } from "bun:test";
import { mkdirSync, statSync } from "node:fs";
import { AgentError, BugError, errorCode } from "../../agent/base/errors.ts";
import { createFiles, type Files, type FlushCalls } from "../../agent/base/files.ts";
import { TestTree } from "../collector-world.ts";
import { SimulatedDisk } from "../simulated-disk.ts";

const encode = (text: string) => new TextEncoder().encode(text);

/** Code and text of the AgentError that `run` throws. */
function thrown(run: () => unknown): { code: string; message: string } {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(AgentError);
    expect((error as AgentError).cause).toBeDefined();
    return { code: errorCode(error), message: (error as AgentError).message };
  }
  return { code: "nothing thrown", message: "" };
}

async function rejected(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    expect(error).toBeInstanceOf(AgentError);
    return errorCode(error);
  }
  return "nothing thrown";
}

function write(files: Files, path: string, text: string): void {
  using file = files.create(path);
  file.write(encode(text));
}

interface World extends Disposable {
  files: Files;
  /** An empty directory. */
  root: string;
}

const worlds: { name: string; open: () => World }[] = [
  {
    name: "the machine",
    open() {
      const tree = new TestTree();
      return { files: createFiles(), root: tree.root, [Symbol.dispose]: () => tree[Symbol.dispose]() };
    },
  },
  {
    name: "a simulated disk",
    open() {
      const files = new SimulatedDisk();
      files.makeDirectory("/disk");
      return { files, root: "/disk", [Symbol.dispose]: () => {} };
    },
  },
];

describe.each(worlds)("files of $name", ({ open }) => {
  test("what does not exist is told by a value", () => {
    using world = open();
    const { files, root } = world;
    expect(files.list(`${root}/none`)).toEqual([]);
    expect(files.list(`${root}/none/deeper`)).toEqual([]);
    expect(files.read(`${root}/none`)).toBeNull();
    expect(files.size(`${root}/none/deeper`)).toBeNull();
    files.remove(`${root}/none`);
    expect(files.list(root)).toEqual([]);
  });

  test("a directory is made with its parents, and again without effect", () => {
    using world = open();
    const { files, root } = world;
    files.makeDirectory(`${root}/a/b/c`);
    write(files, `${root}/a/b/c/kept`, "x");
    files.makeDirectory(`${root}/a/b/c`);
    expect(files.list(`${root}/a`)).toEqual(["b"]);
    expect(files.list(`${root}/a/b/c`)).toEqual(["kept"]);
    files.syncDirectory(`${root}/a/b/c`);
  });

  test("names are sorted; folders are among them", () => {
    using world = open();
    const { files, root } = world;
    for (const name of ["seg-2", "seg-10", ".lock"]) write(files, `${root}/${name}`, "");
    files.makeDirectory(`${root}/host`);
    expect(files.list(root)).toEqual([".lock", "host", "seg-10", "seg-2"]);
  });

  test("writes follow each other and are read back whole", () => {
    using world = open();
    const { files, root } = world;
    const path = `${root}/file`;
    using file = files.create(path);
    expect(files.size(path)).toBe(0);
    expect(files.read(path)).toEqual(Buffer.alloc(0));
    file.write(encode("one "));
    file.write(new Uint8Array(0));
    file.write(encode("xx two").subarray(3));
    file.sync();
    expect(files.read(path)?.toString()).toBe("one two");
    expect(files.size(path)).toBe(7);
  });

  test("what was read is a copy", () => {
    using world = open();
    const { files, root } = world;
    write(files, `${root}/file`, "abc");
    files.read(`${root}/file`)!.fill(0);
    expect(files.read(`${root}/file`)?.toString()).toBe("abc");
  });

  test("a file open for reading: any part of it, as it is then, whatever becomes of its name", () => {
    using world = open();
    const { files, root } = world;
    const path = `${root}/file`;
    write(files, path, "0123456789");
    expect(files.open(`${root}/none/deeper`)).toBeNull();
    expect(thrown(() => files.open(root)).code).toBe("file_eisdir");
    using file = files.open(path)!;
    const part = Buffer.alloc(3);
    file.readInto(part, 4);
    expect([file.bytes, part.toString()]).toEqual([10, "456"]);
    files.map(path)[5] = 0x58;
    write(files, `${root}/other`, "abcdefghij");
    files.rename(`${root}/other`, path);
    file.readInto(part, 4);
    expect(part.toString()).toBe("4X6");
    expect(() => file.readInto(part, 8)).toThrow("it ends after 10 bytes");
  });

  test("appending goes on at the end, of a new file too", () => {
    using world = open();
    const { files, root } = world;
    for (const text of ["a\n", "b\n", "c\n"]) {
      using file = files.append(`${root}/lines`);
      file.write(encode(text));
    }
    expect(files.read(`${root}/lines`)?.toString()).toBe("a\nb\nc\n");
  });

  test.each(["create", "append"] as const)("after a cut the next write lands at the new end (%s)", (how) => {
    using world = open();
    const { files, root } = world;
    using file = files[how](`${root}/lines`);
    file.write(encode("whole\nhal"));
    file.truncate(6);
    file.write(encode("next\n"));
    expect(files.read(`${root}/lines`)?.toString()).toBe("whole\nnext\n");
  });

  test("creating replaces; a mapping of the old file stays whole", () => {
    using world = open();
    const { files, root } = world;
    const path = `${root}/file`;
    write(files, path, "old content");
    const old = files.map(path);
    write(files, path, "new");
    expect(files.read(path)?.toString()).toBe("new");
    old[0] = 0x4f;
    expect(Buffer.from(old).toString()).toBe("Old content");
    expect(files.read(path)?.toString()).toBe("new");
  });

  test("a mapping is the file", () => {
    using world = open();
    const { files, root } = world;
    const path = `${root}/seg`;
    write(files, path, "\0".repeat(10_000));
    const bytes = files.map(path);
    expect([bytes.length, bytes.byteOffset, bytes.buffer.byteLength]).toEqual([10_000, 0, 10_000]);
    const values = new Float32Array(bytes.buffer, 4096, 2);
    values[1] = 1.5;
    expect(files.read(path)?.readFloatLE(4100)).toBe(1.5);
    const second = files.map(path);
    second[9999] = 7;
    expect(bytes[9999]).toBe(7);
    files.rename(path, `${root}/seg-bad`);
    bytes[0] = 9;
    expect(files.read(`${root}/seg-bad`)?.[0]).toBe(9);
    files.remove(`${root}/seg-bad`);
    expect(bytes[0]).toBe(9);
  });

  test("parts are written over in place; a mapping shows them", () => {
    using world = open();
    const { files, root } = world;
    const path = `${root}/seg`;
    write(files, path, "0123456789");
    const bytes = files.map(path);
    files.overwrite(path, [
      { at: 1, bytes: Buffer.from("ab") },
      { at: 8, bytes: Buffer.from("yz") },
    ]);
    expect(Buffer.from(bytes).toString()).toBe("0ab34567yz");
    expect(files.read(path)?.toString()).toBe("0ab34567yz");
    expect(() => files.overwrite(`${root}/absent`, [])).toThrow("no such file");
    expect(files.size(`${root}/absent`)).toBeNull();
  });

  test("renaming replaces in one step", () => {
    using world = open();
    const { files, root } = world;
    write(files, `${root}/file.tmp`, "new");
    write(files, `${root}/file`, "old");
    files.rename(`${root}/file.tmp`, `${root}/file`);
    expect(files.list(root)).toEqual(["file"]);
    expect(files.read(`${root}/file`)?.toString()).toBe("new");
    files.rename(`${root}/file`, `${root}/file`);
    expect(files.read(`${root}/file`)?.toString()).toBe("new");
  });

  test("an exclusive file is created once, whole, with nothing beside it", () => {
    using world = open();
    const { files, root } = world;
    const path = `${root}/.lock`;
    expect(files.createExclusive(path, encode("first"))).toBe(true);
    expect(files.createExclusive(path, encode("second"))).toBe(false);
    files.makeDirectory(`${root}/folder`);
    expect(files.createExclusive(`${root}/folder`, encode("x"))).toBe(false);
    expect(files.read(path)?.toString()).toBe("first");
    expect(files.list(root)).toEqual([".lock", "folder"]);
  });

  test("a removed file is gone, one still open can be written", () => {
    using world = open();
    const { files, root } = world;
    using file = files.create(`${root}/file`);
    files.remove(`${root}/file`);
    file.write(encode("into the void"));
    expect(files.list(root)).toEqual([]);
  });

  test("flushing beside the caller", async () => {
    using world = open();
    const { files, root } = world;
    write(files, `${root}/seg`, "12345678");
    files.map(`${root}/seg`)[0] = 0x39;
    await files.sync(`${root}/seg`);
    expect(files.read(`${root}/seg`)?.toString()).toBe("92345678");
    expect(await rejected(files.sync(`${root}/none`))).toBe("file_enoent");
  });

  test("there is room to write", () => {
    using world = open();
    expect(world.files.freeBytes(world.root)).toBeGreaterThan(0);
    expect(Number.isSafeInteger(world.files.freeBytes(world.root))).toBe(true);
    expect(thrown(() => world.files.freeBytes(`${world.root}/none`)).code).toBe("file_enoent");
  });

  test("a closed file is not used again", () => {
    using world = open();
    const file = world.files.create(`${world.root}/file`);
    file[Symbol.dispose]();
    file[Symbol.dispose]();
    for (const use of [() => file.write(encode("x")), () => file.sync(), () => file.truncate(0)])
      expect(use).toThrow(BugError);
  });

  const failures: { what: string; code: string; run: (files: Files, root: string) => unknown }[] = [
    { what: "create without the directory", code: "file_enoent", run: (f, r) => f.create(`${r}/none/x`) },
    { what: "append without the directory", code: "file_enoent", run: (f, r) => f.append(`${r}/none/x`) },
    {
      what: "create exclusively without the directory",
      code: "file_enoent",
      run: (f, r) => f.createExclusive(`${r}/none/x`, encode("x")),
    },
    { what: "rename what is not there", code: "file_enoent", run: (f, r) => f.rename(`${r}/none`, `${r}/x`) },
    { what: "rename to nowhere", code: "file_enoent", run: (f, r) => f.rename(`${r}/file`, `${r}/none/x`) },
    { what: "rename onto a folder", code: "file_eisdir", run: (f, r) => f.rename(`${r}/file`, `${r}/folder`) },
    { what: "map what is not there", code: "file_enoent", run: (f, r) => f.map(`${r}/none`) },
    { what: "map an empty file", code: "file_einval", run: (f, r) => f.map(`${r}/empty`) },
    { what: "map a folder", code: "file_eisdir", run: (f, r) => f.map(`${r}/folder`) },
    { what: "read a folder", code: "file_eisdir", run: (f, r) => f.read(`${r}/folder`) },
    { what: "the size of a folder", code: "file_eisdir", run: (f, r) => f.size(`${r}/folder`) },
    { what: "create over a folder", code: "file_eisdir", run: (f, r) => f.create(`${r}/folder`) },
    { what: "append to a folder", code: "file_eisdir", run: (f, r) => f.append(`${r}/folder`) },
    { what: "remove a folder", code: "file_eisdir", run: (f, r) => f.remove(`${r}/folder`) },
    { what: "make a folder where a file is", code: "file_eexist", run: (f, r) => f.makeDirectory(`${r}/file`) },
    { what: "flush a folder that is not there", code: "file_enoent", run: (f, r) => f.syncDirectory(`${r}/none`) },
    { what: "list a file", code: "file_enotdir", run: (f, r) => f.list(`${r}/file`) },
    ...(["list", "read", "size", "create", "append", "map", "remove", "makeDirectory"] as const).map((call) => ({
      what: `${call} below a file`,
      code: "file_enotdir",
      run: (f: Files, r: string) => f[call](`${r}/file/x`),
    })),
    { what: "rename to below a file", code: "file_enotdir", run: (f, r) => f.rename(`${r}/empty`, `${r}/file/x`) },
    {
      what: "create exclusively below a file",
      code: "file_enotdir",
      run: (f, r) => f.createExclusive(`${r}/file/x`, encode("x")),
    },
  ];
  test.each(failures)("$what: $code, and nothing has changed", ({ code, run }) => {
    using world = open();
    const { files, root } = world;
    write(files, `${root}/file`, "kept");
    write(files, `${root}/empty`, "");
    files.makeDirectory(`${root}/folder`);
    const error = thrown(() => run(files, root));
    expect(error.code).toBe(code);
    expect(error.message).toStartWith(`${root}/`);
    expect(files.list(root)).toEqual(["empty", "file", "folder"]);
    expect(files.read(`${root}/file`)?.toString()).toBe("kept");
  });

  test("flushing below a file", async () => {
    using world = open();
    write(world.files, `${world.root}/file`, "");
    expect(await rejected(world.files.sync(`${world.root}/file/x`))).toBe("file_enotdir");
  });

  test("messages say where, what was tried and why", () => {
    using world = open();
    const { files, root } = world;
    write(files, `${root}/f`, "");
    const below = thrown(() => files.read(`${root}/f/x`)).message;
    expect(below).toBe(`${root}/f/x: cannot read: a part of the path is not a directory (ENOTDIR)`);
    const absent = thrown(() => files.map(`${root}/none`)).message;
    expect(absent).toBe(`${root}/none: cannot map into memory: no such file or directory (ENOENT)`);
  });
});

describe("the machine's files", () => {
  test("are for their owner alone", () => {
    using tree = new TestTree();
    const files = createFiles();
    files.makeDirectory(`${tree.root}/a/b`);
    files.create(`${tree.root}/a/created`)[Symbol.dispose]();
    files.append(`${tree.root}/a/appended`)[Symbol.dispose]();
    files.createExclusive(`${tree.root}/a/exclusive`, encode("x"));
    const mode = (name: string) => (statSync(`${tree.root}/a${name}`).mode & 0o777).toString(8);
    expect([mode(""), mode("/b")]).toEqual(["700", "700"]);
    expect([mode("/created"), mode("/appended"), mode("/exclusive")]).toEqual(["600", "600", "600"]);
  });

  test("a name that may not be made", () => {
    // Nobody makes files there, root neither.
    const error = thrown(() => createFiles().create("/proc/self/task/none"));
    expect(["file_enoent", "file_eacces", "file_eperm", "file_erofs"]).toContain(error.code);
    const denied = thrown(() => createFiles().makeDirectory("/proc/none"));
    expect(denied.code).toStartWith("file_");
    expect(denied.message).toStartWith("/proc/none: cannot make the directory: ");
  });

  test("a full disk: what fitted stays, the rest is told", () => {
    using file = createFiles().append("/dev/full");
    const { code, message } = thrown(() => file.write(encode("x")));
    expect(code).toBe("file_enospc");
    expect(message).toBe("/dev/full: cannot write: no space left on the disk (ENOSPC)");
  });

  function fakeCalls(faults: Partial<FlushCalls>): FlushCalls {
    const never = () => {
      throw new Error("not expected");
    };
    return { write: never, sync: never, ...faults };
  }
  const failing = (code: string) => () => {
    throw Object.assign(new Error(code), { code });
  };

  test("short writes are continued", () => {
    using tree = new TestTree();
    const taken: string[] = [];
    const calls = fakeCalls({
      write(_fd, bytes, offset, length) {
        const count = Math.min(length, 1 + (taken.length % 3));
        taken.push(Buffer.from(bytes.subarray(offset, offset + count)).toString());
        return count;
      },
    });
    using file = createFiles(calls).create(`${tree.root}/file`);
    file.write(encode("abcdefgh"));
    expect(taken).toEqual(["a", "bc", "def", "g", "h"]);
  });

  test("a disk that takes nothing does not hold us up for ever", () => {
    using tree = new TestTree();
    using file = createFiles(fakeCalls({ write: () => 0 })).create(`${tree.root}/file`);
    expect(thrown(() => file.write(encode("x"))).code).toBe("file_eio");
  });

  test("an exclusive file that cannot be written leaves nothing", () => {
    using tree = new TestTree();
    const files = createFiles(fakeCalls({ write: failing("EDQUOT") }));
    const { code, message } = thrown(() => files.createExclusive(`${tree.root}/.lock`, encode("x")));
    expect(code).toBe("file_edquot");
    expect(message).toContain("the disk quota is used up (EDQUOT)");
    expect(files.list(tree.root)).toEqual([]);
  });

  test("an exclusive file whose making somebody tidied away is told as absent", () => {
    using tree = new TestTree();
    const plain = createFiles();
    const calls = fakeCalls({
      write(_fd, _bytes, _offset, length) {
        for (const name of plain.list(tree.root)) plain.remove(`${tree.root}/${name}`);
        return length;
      },
    });
    expect(thrown(() => createFiles(calls).createExclusive(`${tree.root}/.lock`, encode("x")))).toEqual({
      code: "file_enoent",
      message: `${tree.root}/.lock: cannot create through a hard link: no such file or directory (ENOENT)`,
    });
  });

  test("a name that is too long", () => {
    using tree = new TestTree();
    const name = "n".repeat(300);
    expect(thrown(() => createFiles().createExclusive(`${tree.root}/${name}`, encode("x")))).toEqual({
      code: "file_enametoolong",
      message: expect.stringContaining("cannot create: ENAMETOOLONG"),
    });
  });

  test("a flush that fails is told, of a file and of a directory", () => {
    using tree = new TestTree();
    const files = createFiles(fakeCalls({ sync: failing("EIO") }));
    using file = files.create(`${tree.root}/file`);
    expect(thrown(() => file.sync())).toEqual({
      code: "file_eio",
      message: `${tree.root}/file: cannot flush to the disk: the disk reports an error (EIO)`,
    });
    expect(thrown(() => files.syncDirectory(tree.root)).code).toBe("file_eio");
  });

  test("a cut that fails is told", () => {
    using file = createFiles().append("/dev/full");
    expect(thrown(() => file.truncate(1)).code).toBe("file_einval");
  });

  test("a file system that cannot flush directories is no error", () => {
    using tree = new TestTree();
    let flushes = 0;
    const calls = fakeCalls({
      sync() {
        flushes++;
        failing("EINVAL")();
      },
    });
    createFiles(calls).syncDirectory(tree.root);
    expect(flushes).toBe(1);
  });

  test("each new directory is flushed into its parent; where that fails it exists all the same", () => {
    using tree = new TestTree();
    mkdirSync(`${tree.root}/old`);
    let flushes = 0;
    const calls = fakeCalls({
      sync() {
        flushes++;
        failing("EIO")();
      },
    });
    const files = createFiles(calls);
    files.makeDirectory(`${tree.root}/old/a/b/`);
    expect(flushes).toBe(2);
    files.makeDirectory(`${tree.root}/old/a/b`);
    expect(flushes).toBe(2);
    expect(files.list(`${tree.root}/old/a`)).toEqual(["b"]);
  });

  test("a cause without a code of the system is still told", () => {
    using tree = new TestTree();
    const calls = fakeCalls({});
    using file = createFiles(calls).create(`${tree.root}/file`);
    expect(thrown(() => file.sync())).toEqual({
      code: "file_failed",
      message: `${tree.root}/file: cannot flush to the disk: not expected`,
    });
  });

  test("stores survive the death of the process that made them", async () => {
    using tree = new TestTree();
    const path = `${tree.root}/seg`;
    write(createFiles(), path, "\0".repeat(8192));
    const source = `
      import { createFiles } from ${JSON.stringify(`${import.meta.dir}/../../agent/base/files.ts`)};
      const bytes = createFiles().map(${JSON.stringify(path)});
      bytes[0] = 1; bytes[8191] = 2;
      process.kill(process.pid, "SIGKILL");
    `;
    const child = Bun.spawn([process.execPath, "-e", source], { stdout: "ignore", stderr: "pipe" });
    expect(await child.exited).not.toBe(0);
    expect(child.signalCode).toBe("SIGKILL");
    const left = createFiles().read(path)!;
    expect([left[0], left[8191]]).toEqual([1, 2]);
  });
});
