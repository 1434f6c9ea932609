import { describe, expect, test } from "bun:test";
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { Lab, type PeerName, PROGRAMS, peerTest, reasonToSkip, runInLab } from "./peer.ts";
import { freePorts } from "./ports.ts";
import { waitFor } from "./wait.ts";

/** A zombie has ended; nobody has asked for its exit code yet. */
function isRunning(pid: number): boolean {
  if (!existsSync(`/proc/${pid}/stat`)) return false;
  return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
}

function send(port: number, text: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = connect(port, "127.0.0.1", () => socket.end(text));
  socket.on("error", reject).on("close", () => resolve());
  return promise;
}

describe("the lab", () => {
  peerTest("starts a real netdata, reads it and ends it", { needs: ["netdata"] }, async (lab) => {
    const netdata = await lab.netdata({ role: "parent", hostname: "lab-parent" });
    const info = await netdata.json<{ version: string; mirrored_hosts: string[] }>("/api/v1/info");
    expect(info.version).toStartWith("v1.37.1");
    expect(info.mirrored_hosts).toContain("lab-parent");
    await netdata.stop();
    expect(isRunning(netdata.pid)).toBe(false);
  });

  peerTest(
    "starts a real carbon that keeps what it is sent, over a restart too",
    { needs: ["carbon"] },
    async (lab) => {
      const carbon = await lab.carbon();
      const nowSec = Math.floor(Date.now() / 1000);
      await send(carbon.port, `lab.metric 42.5 ${nowSec - 2}\nlab.metric -1 ${nowSec - 1}\n`);
      const expected = [
        { timeSec: nowSec - 2, value: 42.5 },
        { timeSec: nowSec - 1, value: -1 },
      ];
      const stored = () => carbon.points("lab.metric").then((points) => points.length === 2 && points);
      expect(await waitFor("both points on disk", 20_000, stored)).toEqual(expected);
      await carbon.stop();
      const again = lab.use(await carbon.restart());
      expect(again.port).toBe(carbon.port);
      expect(await again.points("lab.metric")).toEqual(expected);
      expect(await again.metrics()).toEqual(["lab.metric"]);
    },
  );

  peerTest("ends everything and removes its folder when a test fails", { needs: ["carbon"] }, async () => {
    const carbon = { pid: 0, folder: "" };
    const failing = async (lab: Lab) => {
      carbon.folder = lab.folder;
      carbon.pid = (await lab.carbon()).pid;
      throw new Error("broken");
    };
    const error: unknown = await runInLab(failing, 60_000).catch((thrown: unknown) => thrown);
    expect(error).toEqual(new Error("broken"));
    expect(existsSync(carbon.folder)).toBe(false);
    expect(isRunning(carbon.pid)).toBe(false);
  });

  test("ends everything and removes its folder when a test never ends", async () => {
    const program = { pid: 0, folder: "" };
    const endless = (lab: Lab) => {
      program.folder = lab.folder;
      program.pid = lab.use(Bun.spawn(["sleep", "600"])).pid;
      return new Promise<void>(() => {});
    };
    const error: unknown = await runInLab(endless, 100).catch((thrown: unknown) => thrown);
    expect(error).toEqual(new Error("not done after 100 ms"));
    expect(existsSync(program.folder)).toBe(false);
    expect(isRunning(program.pid)).toBe(false);
  });
});

test("free ports can be listened on, in a row", () => {
  const first = freePorts(3);
  for (let port = first; port < first + 3; port++) {
    const listener = Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } });
    expect(listener.port).toBe(port);
    listener.stop(true);
  }
  expect(freePorts()).not.toBe(first);
});

describe("waitFor", () => {
  test("gives the first answer", async () => {
    let asked = 0;
    expect(await waitFor("three", 5000, () => ++asked === 3 && asked)).toBe(3);
  });

  test("says what it waited for, and the last reason", async () => {
    const error: unknown = await waitFor("nothing", 30, () => {
      throw new Error("not yet");
    }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(Error);
    expect((error as Error).message).toBe("waited 30 ms for nothing");
    expect((error as Error).cause).toEqual(new Error("not yet"));
  });
});

const ROOT = join(import.meta.dir, "../..");

describe("a missing peer", () => {
  test.each([
    { needs: ["netdata"], missing: "netdata", reason: "netdata-core" },
    { needs: ["netdata"], missing: "/usr/lib/netdata/plugins.d/system-info.sh", reason: "netdata-plugins-bash" },
    { needs: ["carbon", "netdata"], missing: "carbon-cache", reason: "graphite-carbon" },
    { needs: ["musl", "cc"], missing: "cc", reason: "gcc" },
  ] as { needs: PeerName[]; missing: string; reason: string }[])("$missing of $needs", ({ needs, missing, reason }) => {
    const text = reasonToSkip(needs, (program) => (program === missing ? null : program));
    expect(text).toBe(`not installed: ${reason}; run scripts/install-peers`);
    expect(reasonToSkip(needs, (program) => program)).toBeUndefined();
  });

  test("is one that scripts/install-peers installs", () => {
    const { stdout } = Bun.spawnSync([join(ROOT, "scripts/install-peers"), "--list"]);
    const listed = new Map(
      stdout
        .toString()
        .trim()
        .split("\n")
        .map((line) => line.split(/\s+/) as [string, string]),
    );
    for (const { program, debianPackage } of Object.values(PROGRAMS).flat()) {
      expect([program, listed.get(program)]).toEqual([program, debianPackage]);
    }
  });

  // The runner of this very file, in which the test of the lab with netdata needs no other program.
  const runWithout = (lab: Lab, required: boolean) => {
    const env = { PATH: toolsOnly(lab), ...(required ? { TRIBUTARY_REQUIRE_PEERS: "1" } : {}) };
    const command = [process.execPath, "test", "test/peer/harness.test.ts", "-t", "starts a real netdata"];
    const { exitCode, stdout, stderr } = Bun.spawnSync(command, { cwd: ROOT, env });
    return { exitCode, text: `${stdout}${stderr}` };
  };

  test("skips the tests that need it, and says how to get it", async () => {
    await using lab = new Lab();
    const { exitCode, text } = runWithout(lab, false);
    expect(text).toMatch(/\(skip\) .*starts a real netdata.* \(not installed: netdata-core.*scripts\/install-peers\)/);
    expect(exitCode).toBe(0);
  });

  test("fails them where peers are required", async () => {
    await using lab = new Lab();
    const { exitCode, text } = runWithout(lab, true);
    expect(text).toMatch(/error: not installed: netdata-core.*; run scripts\/install-peers/);
    expect(text).toMatch(/\(fail\) .*starts a real netdata/);
    expect(exitCode).toBe(1);
  });

  test("that cannot be installed: scripts/install-peers fails and names it", async () => {
    await using lab = new Lab();
    const { exitCode, stderr } = Bun.spawnSync([join(ROOT, "scripts/install-peers")], {
      env: { PATH: toolsOnly(lab) },
    });
    expect(stderr.toString()).toMatch(/^install-peers: no apt-get here; missing: .*graphite-carbon.*netdata-core/);
    expect(exitCode).toBe(1);
  });
});

/** @returns a path with the few programs that scripts need, and no server. */
function toolsOnly(lab: Lab): string {
  const folder = lab.newFolder("bin");
  for (const name of [
    "bash",
    "cat",
    "dirname",
    "env",
    "grep",
    "id",
    "mktemp",
    "rm",
    "sed",
    "sort",
    "tail",
    "tee",
    "tr",
    "uname",
  ])
    symlinkSync(Bun.which(name)!, join(folder, name));
  return folder;
}

/** `.ci/run` as it is, with other programs around it. @param npm what the tests do, in shell. */
function runCi(
  lab: Lab,
  { npm, installPeers = "", freshClone = "" }: { npm: string; installPeers?: string; freshClone?: string },
) {
  const folder = lab.newFolder("repository");
  const path = toolsOnly(lab);
  mkdirSync(join(folder, ".ci"));
  mkdirSync(join(folder, "scripts"));
  copyFileSync(join(ROOT, ".ci/run"), join(folder, ".ci/run"));
  const programs = { [join(path, "npm")]: npm, [join(folder, "scripts/install-peers")]: installPeers };
  programs[join(folder, "scripts/fresh-clone-check")] = freshClone;
  for (const [file, text] of Object.entries(programs)) {
    writeFileSync(file, `#!/bin/bash\n${text}\n`);
    chmodSync(file, 0o755);
  }
  const { exitCode, stdout, stderr } = Bun.spawnSync([join(folder, ".ci/run")], {
    env: { PATH: path, TMPDIR: folder },
  });
  return { exitCode, last: stdout.toString().trimEnd().split("\n").at(-1), problem: stderr.toString().trim() };
}

describe(".ci/run", () => {
  const [good, bad] = ["3 passed, 0 failed, 1 skipped", "3 passed, 2 failed, 0 skipped"];
  const none = "0 passed, 0 failed, 4 skipped";
  test.each([
    { what: "all is well", npm: `echo ${good}`, exitCode: 0, last: good, problem: "" },
    {
      what: "the tests are told that peers are required",
      npm: `[ "$1 $TRIBUTARY_REQUIRE_PEERS" = "test 1" ] && echo ${good}`,
      exitCode: 0,
      last: good,
      problem: "",
    },
    { what: "a test failed", npm: `echo ${bad}; exit 1`, exitCode: 1, last: bad, problem: "" },
    { what: "no test ran", npm: `echo ${none}`, exitCode: 1, last: none, problem: ".ci/run: no test passed" },
    {
      what: "the tests ended early",
      npm: "echo all is well",
      exitCode: 1,
      last: "all is well",
      problem: ".ci/run: the tests ended without their last line",
    },
    {
      what: "a peer cannot be installed: nothing is tested",
      npm: `echo ${good}`,
      installPeers: "echo still missing >&2; exit 1",
      exitCode: 1,
      last: "",
      problem: "still missing",
    },
    {
      what: "a fresh clone does not work",
      npm: `echo ${good}`,
      freshClone: "exit 1",
      exitCode: 1,
      last: good,
      problem: "",
    },
  ])("$what: $exitCode", async ({ exitCode, last, problem, ...programs }) => {
    await using lab = new Lab();
    expect(runCi(lab, programs)).toEqual({ exitCode, last, problem });
  });
});
