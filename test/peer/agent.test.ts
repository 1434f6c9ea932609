import { describe, expect } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Agent } from "./agent.ts";
import { reportOf } from "./agent-report.ts";
import { agentBinary } from "./binary.ts";
import { type Lab, peerTest } from "./peer.ts";
import { freePorts } from "./ports.ts";
import { PROMPT, RawChild } from "./raw-child.ts";
import { waitFor } from "./wait.ts";

const KEY = "11111111-2222-3333-4444-555555555555";
const NEW_KEY = "22222222-2222-3333-4444-555555555555";
const CHILD_GUID = "aaaaaaaa-0000-0000-0000-00000000000c";
const GUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** design.md §4: an orderly stop takes no longer. */
const STOP_MS = 5000;

/** Runs the compiled agent to its end. */
async function runToEnd(lab: Lab, args: string[]): Promise<{ code: number; out: string; err: string }> {
  const folder = lab.newFolder("run");
  const env = { PATH: process.env["PATH"] ?? "", HOME: folder };
  const child = Bun.spawn([await agentBinary(), ...args], { cwd: folder, env, stdout: "pipe", stderr: "pipe" });
  lab.use(child);
  const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { code, out, err };
}

async function askFor(lab: Lab, agent: Agent, key: string): Promise<RawChild> {
  const child = lab.use(await RawChild.connect(agent.port));
  await child.ask(`key=${key}&hostname=raw&machine_guid=${CHILD_GUID}&update_every=1`);
  return child;
}

function writeConfig({ folder }: Agent, text: string): void {
  writeFileSync(join(folder, "tributary.toml"), text);
}

describe("starting", () => {
  peerTest("with no configuration in an empty folder: collects this machine, keeps its GUID", {}, async (lab) => {
    const agent = await lab.agent();
    expect(agent.role).toBe("standalone");
    expect(agent.output()).toBe(`${agent.ready}\n`);
    const guid = readFileSync(join(agent.folder, "state/machine.guid"), "utf8").trim();
    expect(guid).toMatch(GUID);
    const info = await agent.json<{ uid: string; version: string }>("/api/v1/info");
    expect(info.uid).toBe(guid);
    await waitFor("a stored value", 10_000, async () => (await reportOf(agent)).hosts[0]!.balance.stored > 0);
    expect(await agent.stop()).toBe(0);
    const again = lab.use(await Agent.start(agent.folder));
    expect((await again.json<{ uid: string }>("/api/v1/info")).uid).toBe(guid);
    // Another folder is another identity.
    const other = await lab.agent();
    expect((await other.json<{ uid: string }>("/api/v1/info")).uid).not.toBe(guid);
  });

  peerTest("a port in use: 1, the port's number, and what to do", {}, async (lab) => {
    const agent = await lab.agent();
    const { code, out, err } = await runToEnd(lab, ["run", "--listen", `127.0.0.1:${agent.port}`]);
    expect({ code, out }).toEqual({ code: 1, out: "" });
    expect(err).toContain(String(agent.port));
    expect(err).toContain("--listen");
    expect((await reportOf(agent)).hosts).toHaveLength(1);
  });

  peerTest("a configuration with mistakes: 78, all of them, each with its place", {}, async (lab) => {
    const file = join(lab.newFolder("config"), "tributary.toml");
    writeFileSync(file, '[web]\nlissen = ["*"]\n[stream]\nbuffer_size_bytes = 12\nenabled = true\n');
    const { code, out, err } = await runToEnd(lab, ["run", "--config", file]);
    expect({ code, out }).toEqual({ code: 78, out: "" });
    expect(err).toContain(`${file}:2:1: `);
    expect(err).toContain(`${file}:4:21: `);
    expect(err).toContain("listen");
    expect(err).toContain("stream.destination");
  });

  peerTest("a file that is not there: 78", {}, async (lab) => {
    const { code, err } = await runToEnd(lab, ["run", "--config", "/nonexistent/tributary.toml"]);
    expect(code).toBe(78);
    expect(err).toContain("/nonexistent/tributary.toml");
  });
});

describe("stopping", () => {
  peerTest("SIGTERM and SIGINT: an end in order, in time, with a stalled parent too", {}, async (lab) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      // It answers as a parent does and then reads no more.
      const deaf = Bun.listen({
        hostname: "127.0.0.1",
        port: 0,
        socket: { data: (socket) => void socket.write(PROMPT) },
      });
      lab.use({ [Symbol.dispose]: () => deaf.stop(true) });
      const agent = await lab.agent({ args: ["--parent", `127.0.0.1:${deaf.port}`, "--key", KEY] });
      await waitFor("the link", 10_000, async () => (await reportOf(agent)).links[0]!.state === "connected");
      const startMs = performance.now();
      agent.signal(signal);
      expect(await agent.exited).toBe(0);
      expect(performance.now() - startMs).toBeLessThan(STOP_MS + 1000);
      expect(agent.log()).toMatch(/ app\.stopp(?:ed|ing) /);
    }
  });
});

describe("SIGHUP", () => {
  const config = (key: string) => `[agent]\nhostname = "hup"\n[api_key."${key}"]\nenabled = true\n`;

  peerTest(
    "takes a new API key at once, ends children of one that is gone, keeps the others' data",
    {},
    async (lab) => {
      const agent = await lab.agent({ config: config(KEY) });
      const child = await askFor(lab, agent, KEY);
      expect(child.answer).toBe(PROMPT);
      expect((await askFor(lab, agent, NEW_KEY)).answer).toStartWith("You are not permitted");
      writeConfig(agent, `${config(KEY)}[api_key."${NEW_KEY}"]\nenabled = true\n`);
      agent.signal("SIGHUP");
      await waitFor("the reload", 5000, () => agent.log().includes(" config.reloaded "));
      expect(child.isClosed).toBe(false);
      const other = lab.use(await RawChild.connect(agent.port));
      const guid = CHILD_GUID.replace(/c$/, "d");
      expect(await other.ask(`key=${NEW_KEY}&hostname=other&machine_guid=${guid}`)).toBe(PROMPT);
      writeConfig(agent, config(NEW_KEY));
      agent.signal("SIGHUP");
      await waitFor("the end of the child whose key is gone", 5000, () => child.isClosed);
      expect(other.isClosed).toBe(false);
      expect((await reportOf(agent)).hosts.map(({ hostname }) => hostname).toSorted()).toEqual(["hup", "other", "raw"]);
    },
  );

  peerTest("a file with a mistake changes nothing and says why", {}, async (lab) => {
    const agent = await lab.agent({ config: config(KEY) });
    const child = await askFor(lab, agent, KEY);
    writeConfig(agent, `${config(NEW_KEY)}[web]\ngzip_level = 12\n`);
    agent.signal("SIGHUP");
    await waitFor("the refusal", 5000, () => agent.log().includes(" config.reload_refused "));
    expect(agent.log()).toContain("tributary.toml:6:14: web.gzip_level: ");
    expect(child.isClosed).toBe(false);
    expect((await askFor(lab, agent, NEW_KEY)).answer).toStartWith("You are not permitted");
    child.end();
    await waitFor("the old key still to be good", 5000, async () => (await askFor(lab, agent, KEY)).answer === PROMPT);
  });
});

describe("tributary status", () => {
  const parentConfig = `[agent]\nhostname = "status-parent"\n[api_key."${KEY}"]\nenabled = true\n`;
  const status = async (lab: Lab, agent: Agent) => await runToEnd(lab, ["status", agent.url]);
  const childConfig = (name: string, key: string, parent: number) =>
    `[agent]\nhostname = "${name}"\n[stream]\nenabled = true\ndestination = "127.0.0.1:${parent}"\napi_key = "${key}"\n`;

  peerTest("names a child that is gone, a parent that refuses, and what was lost for it", {}, async (lab) => {
    const parent = await lab.agent({ config: parentConfig });
    const good = await lab.agent({ config: childConfig("good-child", KEY, parent.port) });
    const refused = await lab.agent({ config: childConfig("refused-child", NEW_KEY, parent.port) });
    await waitFor("values of the good child", 10_000, async () => {
      return (await reportOf(parent)).hosts.some(
        ({ hostname, balance }) => hostname === "good-child" && balance.stored > 0,
      );
    });
    await waitFor("the refused child's loss", 10_000, async () => {
      return ((await reportOf(refused)).links[0]?.account.lost["refused"] ?? 0) > 0;
    });
    const atChild = await status(lab, refused);
    expect(atChild.code).toBe(0);
    expect(atChild.out).toMatch(
      new RegExp(`^refused-child +127\\.0\\.0\\.1:${parent.port} +error .*refused \\d+; .*not permitted`, "m"),
    );
    expect(atChild.out).toContain(`no connection now: refused-child → 127.0.0.1:${parent.port}\n`);
    expect(await good.stop()).toBe(0);
    await waitFor("the child's end", 10_000, async () => (await reportOf(parent)).receivers.length === 0);
    const atParent = await waitFor("the child to be overdue", 15_000, async () => {
      const answer = await status(lab, parent);
      return /^good-child +(?:stale|offline) /m.test(answer.out) && answer;
    });
    expect(atParent.out).toMatch(/^status-parent +online .*this machine/m);
    expect(atParent.out).toMatch(/^not up to date: .*good-child/m);
    // It is no host here, but what was refused, and why, is told.
    expect(atParent.out).not.toMatch(/^refused-child /m);
    expect(atParent.out).toMatch(/refused-child, .*\n +Your API key is not known here\./);
    const json = await runToEnd(lab, ["status", parent.url, "--json"]);
    expect(JSON.parse(json.out)).toMatchObject({ v: 1, self: (await reportOf(parent)).self });
  });

  peerTest("an agent that is not there: 1, and what to do", {}, async (lab) => {
    const { code, err } = await runToEnd(lab, ["status", `http://127.0.0.1:${freePorts()}`]);
    expect(code).toBe(1);
    expect(err).toContain("is the agent running?");
  });
});
