import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { type Lab, peerTest, runInLab } from "./peer.ts";
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
