import { describe, expect, test } from "bun:test";
import { AgentError, errorCode } from "../../agent/base/errors.ts";
import { createFiles } from "../../agent/base/files.ts";
import { createProcessFacts, type ProcessFacts } from "../../agent/base/process-facts.ts";
import { lockDirectory } from "../../agent/rrd/store/directory-lock.ts";
import { TestTree } from "../collector-world.ts";
import { SimulatedDisk } from "../simulated-disk.ts";

const DIRECTORY = "/var/lib/tributary/db";
const LOCK = `${DIRECTORY}/.lock`;
const BOOT = "0f3a-11";

/** A machine on which the given processes run: number → start time. */
function machine(running: Record<number, number>, bootId = BOOT): (pid: number) => ProcessFacts {
  return (pid) => ({ pid, bootId, startTicks: (other) => running[other] ?? null });
}

function put(disk: SimulatedDisk, path: string, text: string): void {
  disk.makeDirectory(DIRECTORY);
  using file = disk.create(path);
  file.write(Buffer.from(text));
}

function refusal(run: () => unknown): { code: string; message: string } {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(AgentError);
    return { code: errorCode(error), message: (error as AgentError).message };
  }
  return { code: "nothing thrown", message: "" };
}

describe("a lock", () => {
  test("makes the directory, names its holder, and is gone when disposed", () => {
    const disk = new SimulatedDisk();
    const lock = lockDirectory(disk, DIRECTORY, machine({ 10: 500 })(10));
    expect(disk.list(DIRECTORY)).toEqual([".lock"]);
    expect(disk.read(LOCK)?.toString()).toBe(`10 500 ${BOOT}\n`);
    lock[Symbol.dispose]();
    lock[Symbol.dispose]();
    expect(disk.list(DIRECTORY)).toEqual([]);
  });

  test("of a living process is respected, and told", () => {
    const disk = new SimulatedDisk();
    const on = machine({ 1234: 500, 20: 600 });
    lockDirectory(disk, DIRECTORY, on(1234));
    const hint = "stop it, or give this agent a state directory of its own (--state DIR)";
    for (const pid of [20, 1234]) {
      expect(refusal(() => lockDirectory(disk, DIRECTORY, on(pid)))).toEqual({
        code: "database_in_use",
        message: `${DIRECTORY}: in use by the process 1234; ${hint}`,
      });
    }
    expect(disk.list(DIRECTORY)).toEqual([".lock"]);
  });

  test("of a process that runs but is closed to us is respected", () => {
    const disk = new SimulatedDisk();
    put(disk, LOCK, `10 500 ${BOOT}\n`);
    const facts = machine({ 10: Number.NaN, 20: 600 })(20);
    expect(refusal(() => lockDirectory(disk, DIRECTORY, facts)).code).toBe("database_in_use");
  });

  const stale: { what: string; record: string }[] = [
    { what: "a process that does not run", record: `10 500 ${BOOT}\n` },
    { what: "a number given out again", record: `11 500 ${BOOT}\n` },
    { what: "another run of the kernel", record: "12 700 0f3a-10\n" },
    { what: "nobody: an empty file", record: "" },
    { what: "nobody: half a record", record: `12 700 ${BOOT}` },
    { what: "nobody: zeros", record: "\0".repeat(20) },
    { what: "nobody: no number", record: `x 700 ${BOOT}\n` },
    { what: "nobody: a number no process has", record: `99999999999 700 ${BOOT}\n` },
  ];
  test.each(stale)("of $what is taken over", ({ record }) => {
    const disk = new SimulatedDisk();
    put(disk, LOCK, record);
    const on = machine({ 11: 501, 12: 700, 20: 600 });
    using _lock = lockDirectory(disk, DIRECTORY, on(20));
    expect(disk.list(DIRECTORY)).toEqual([".lock"]);
    expect(disk.read(LOCK)?.toString()).toBe(`20 600 ${BOOT}\n`);
    expect(refusal(() => lockDirectory(disk, DIRECTORY, on(12))).code).toBe("database_in_use");
  });

  test("that another process has by now is left to it", () => {
    const disk = new SimulatedDisk();
    const lock = lockDirectory(disk, DIRECTORY, machine({ 10: 500 })(10));
    put(disk, LOCK, `20 600 ${BOOT}\n`);
    lock[Symbol.dispose]();
    expect(disk.read(LOCK)?.toString()).toBe(`20 600 ${BOOT}\n`);
  });

  test("that cannot be removed any more is a dead process's soon", () => {
    const disk = new SimulatedDisk();
    const lock = lockDirectory(disk, DIRECTORY, machine({ 10: 500 })(10));
    disk.isReadOnly = true;
    lock[Symbol.dispose]();
    disk.isReadOnly = false;
    lockDirectory(disk, DIRECTORY, machine({ 20: 600 })(20))[Symbol.dispose]();
    expect(disk.list(DIRECTORY)).toEqual([]);
  });

  test("needs to know when its own process started", () => {
    for (const own of [{}, { 10: Number.NaN }]) {
      const disk = new SimulatedDisk();
      expect(refusal(() => lockDirectory(disk, DIRECTORY, machine(own)(10)))).toEqual({
        code: "process_unknown",
        message:
          "/proc/10/stat: the start time of this process cannot be read, so no database can be locked; mount /proc",
      });
      expect(disk.list(DIRECTORY)).toEqual([]);
    }
  });

  test("needs a disk that can be written", () => {
    const disk = new SimulatedDisk();
    disk.isReadOnly = true;
    expect(refusal(() => lockDirectory(disk, DIRECTORY, machine({ 10: 500 })(10))).code).toBe("file_erofs");
  });
});

describe("faults of the disk", () => {
  const on = machine({ 20: 600, 30: 700 });

  test.each(["", `10 500 ${BOOT}\n`])("each step fails in turn, the next attempt succeeds (lock before: %j)", (old) => {
    for (let nth = 1; ; nth++) {
      const disk = new SimulatedDisk();
      put(disk, LOCK, old);
      if (old === "") disk.remove(LOCK);
      const before = disk.calls;
      disk.fail("any", "EIO", { nth });
      const { code } = refusal(() => lockDirectory(disk, DIRECTORY, on(20)));
      if (disk.calls - before < nth) break;
      if (code === "nothing thrown") {
        // Only tidying up failed.
        expect(disk.read(LOCK)?.toString()).toBe(`20 600 ${BOOT}\n`);
        continue;
      }
      expect(code).toBe("file_eio");
      expect(disk.list(DIRECTORY)).toEqual(old === "" ? [] : [".lock"]);
      lockDirectory(disk, DIRECTORY, on(20))[Symbol.dispose]();
      expect(disk.list(DIRECTORY)).toEqual([]);
    }
  });

  test("an attempt that could not even tidy up is gone on with", () => {
    const disk = new SimulatedDisk();
    put(disk, LOCK, `10 500 ${BOOT}\n`);
    disk.fail("rename", "EIO");
    disk.fail("remove", "EIO");
    expect(refusal(() => lockDirectory(disk, DIRECTORY, on(20))).code).toBe("file_eio");
    expect(disk.list(DIRECTORY)).toHaveLength(2);
    expect(refusal(() => lockDirectory(disk, DIRECTORY, on(30))).code).toBe("database_in_use");
    lockDirectory(disk, DIRECTORY, on(20))[Symbol.dispose]();
    expect(disk.list(DIRECTORY)).toEqual([]);
  });

  test("what killed starters left is removed by the next owner, other files are not", () => {
    const disk = new SimulatedDisk();
    for (const name of [".lock-0123456789abcdef", ".lock.1-2.tmp", "catalog.jsonl", "x.tmp"])
      put(disk, `${DIRECTORY}/${name}`, "");
    lockDirectory(disk, DIRECTORY, on(20))[Symbol.dispose]();
    expect(disk.list(DIRECTORY)).toEqual(["catalog.jsonl", "x.tmp"]);
  });

  test("a starter whose half-made file was tidied away looks again", () => {
    const disk = new SimulatedDisk();
    disk.fail("createExclusive", "ENOENT");
    lockDirectory(disk, DIRECTORY, on(20));
    expect(disk.read(LOCK)?.toString()).toBe(`20 600 ${BOOT}\n`);
  });

  test("a directory that goes away each time is told in the end", () => {
    const disk = new SimulatedDisk();
    disk.fail("createExclusive", "ENOENT", { times: Number.POSITIVE_INFINITY });
    expect(refusal(() => lockDirectory(disk, DIRECTORY, on(20))).code).toBe("file_enoent");
  });

  test("a lock that changes hands all the time is in use", () => {
    const disk = new SimulatedDisk();
    disk.createExclusive = () => false;
    const { code, message } = refusal(() => lockDirectory(disk, DIRECTORY, on(20)));
    expect(code).toBe("database_in_use");
    expect(message).toContain(": in use by processes that start and stop; ");
  });

  test("two locks lost in a power failure do not lead in a circle", () => {
    const disk = new SimulatedDisk();
    put(disk, LOCK, "");
    disk.fail("rename", "EIO");
    disk.fail("remove", "EIO");
    refusal(() => lockDirectory(disk, DIRECTORY, on(20)));
    const link = disk.list(DIRECTORY).find((name) => name.startsWith(".lock-"))!;
    put(disk, `${DIRECTORY}/${link}`, "");
    lockDirectory(disk, DIRECTORY, on(20))[Symbol.dispose]();
    expect(disk.list(DIRECTORY)).toEqual([]);
  });
});

test("on this machine: held, refused, and taken over from a process that was killed", async () => {
  using tree = new TestTree();
  const directory = `${tree.root}/db`;
  const module = (path: string) => JSON.stringify(`${import.meta.dir}/../../agent/${path}`);
  const source = `
    import { createFiles } from ${module("base/files.ts")};
    import { createProcessFacts } from ${module("base/process-facts.ts")};
    import { lockDirectory } from ${module("rrd/store/directory-lock.ts")};
    lockDirectory(createFiles(), ${JSON.stringify(directory)}, createProcessFacts());
    console.log("held");
    process.stdin.resume();
  `;
  const child = Bun.spawn([process.execPath, "-e", source], { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
  const { value } = await child.stdout.getReader().read();
  expect(Buffer.from(value!).toString()).toBe("held\n");
  const files = createFiles();
  const { code, message } = refusal(() => lockDirectory(files, directory, createProcessFacts()));
  expect(code).toBe("database_in_use");
  expect(message).toContain(`in use by the process ${child.pid};`);
  child.kill("SIGKILL");
  await child.exited;
  lockDirectory(files, directory, createProcessFacts())[Symbol.dispose]();
  expect(files.list(directory)).toEqual([]);
});
