import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { Agent } from "../../agent/app/agent.ts";
import type { Dial } from "../../agent/base/dial.ts";
import { Logger } from "../../agent/base/log.ts";
import { type LoadedConfig, parseConfig } from "../../agent/config/load.ts";
import { PROMPT_V1 } from "../../agent/wire/answers.ts";
import { SteppedClock, TestTree } from "../collector-world.ts";
import { Client, until } from "./door-fixture.ts";

const KEY = "11111111-2222-3333-4444-555555555555";
const PARENT_KEY = "22222222-2222-3333-4444-555555555555";
const OWN_GUID = "aaaaaaaa-0000-0000-0000-000000000000";
const CHILD_GUID = "aaaaaaaa-0000-0000-0000-00000000000c";
const ACCEPT = `[api_key."${KEY}"]\nenabled = true\n`;
const WEB = `[web]\nlisten = "127.0.0.1:0"\n`;
const STREAM = `[stream]\nenabled = true\ndestination = "parent-1"\napi_key = "${PARENT_KEY}"\n`;

interface Report {
  hosts: { hostname: string; labels: object }[];
  links: { from: string; to: string; key: string }[];
  restart_needed: string[];
}

const GUID_KEY = `machine_guid = "${OWN_GUID}"`;

/** One whole agent on a clock that moves when told; its own connections lead nowhere. */
class AgentScene implements AsyncDisposable {
  readonly clock = new SteppedClock();
  readonly lines: string[] = [];
  agent!: Agent;
  private readonly tree = new TestTree();

  /**
   * @param file the configuration without `[agent]`; a table it does not have is set so that the agent stays quiet.
   * @param agentKeys keys of `[agent]`; without a GUID among them the identity is one that cannot be kept.
   */
  static async start(file: string, agentKeys = GUID_KEY): Promise<AgentScene> {
    const scene = new AgentScene();
    const { clock } = scene;
    const log = new Logger({ clock, level: "info", format: "text", write: (line) => void scene.lines.push(line) });
    const dial: Dial = (destination) => Promise.reject(new Error(`${destination.name}: nobody there`));
    try {
      scene.agent = await Agent.start(scene.load(file, agentKeys), { clock, log, version: "0", random: () => 0, dial });
    } catch (error) {
      scene.tree[Symbol.dispose]();
      throw error;
    }
    return scene;
  }

  /** Reads another configuration, as SIGHUP does. */
  reload(file: string, agentKeys = GUID_KEY): void {
    this.agent.reload(this.load(file, agentKeys));
  }

  fetch(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(this.agent.url + path, init);
  }

  async report(): Promise<Report> {
    return (await (await this.fetch("/api/v1/agent")).json()) as Report;
  }

  /** Lines of the log with this event. */
  events(event: string): string[] {
    return this.lines.filter((line) => line.includes(event));
  }

  connect(): Promise<Client> {
    return Client.connect(Number(new URL(this.agent.url!).port));
  }

  /** A child connects and is accepted. */
  async child(): Promise<Client> {
    const client = await this.connect();
    client.send(`STREAM key=${KEY}&hostname=edge&machine_guid=${CHILD_GUID} HTTP/1.1\r\n\r\n`);
    await until(() => client.text === PROMPT_V1);
    return client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.agent.stop();
    this.tree[Symbol.dispose]();
  }

  private load(file: string, agentKeys: string): LoadedConfig {
    this.tree.write("file", "no directory can be made below it");
    const agent = `[agent]\nstate_dir = ${JSON.stringify(join(this.tree.root, "file/state"))}\n${agentKeys}\n`;
    const web = file.includes("[web]") ? "" : WEB;
    const loaded = parseConfig(`${agent}${web}[collector]\nenabled = false\n${file}`, "test.toml");
    if (loaded instanceof Error) throw loaded;
    return loaded;
  }
}

describe("keys that wait for a restart", () => {
  test("keep their old value and are named at every reload until the file agrees again", async () => {
    await using scene = await AgentScene.start("");
    const renamed = `${GUID_KEY}\nhostname = "other"`;
    for (let reload = 1; reload <= 2; reload++) {
      scene.reload("[db]\nhistory = 7\n", renamed);
      expect(scene.events("config.restart_needed")).toHaveLength(reload);
      expect(scene.events("config.restart_needed").at(-1)).toContain('keys="agent.hostname, db.history"');
      const { hosts, restart_needed: waiting } = await scene.report();
      expect(hosts[0]!.hostname).not.toBe("other");
      expect(waiting).toEqual(["agent.hostname", "db.history"]);
    }
    scene.reload("");
    expect(scene.events("config.restart_needed")).toHaveLength(2);
    expect((await scene.report()).restart_needed).toEqual([]);
  });

  test("new children get the history that is in effect", async () => {
    await using scene = await AgentScene.start(`${ACCEPT}[db]\nhistory = 100\n`);
    scene.reload(`${ACCEPT}[db]\nhistory = 200\n`);
    await scene.child();
    expect(scene.events("receiver.child_connected")[0]).toContain("history=100");
  });
});

describe("what takes effect at once:", () => {
  test("agent.labels, beside those the agent makes itself", async () => {
    await using scene = await AgentScene.start("", `${GUID_KEY}\nlabels = { site = "north", _os = "mine" }`);
    const info = async () => (await (await scene.fetch("/api/v1/info")).json()) as { host_labels: object };
    expect((await scene.report()).hosts[0]!.labels).toEqual({ site: "north" });
    const { host_labels: labels } = await info();
    expect(labels).toMatchObject({ site: "north", _os: "mine", _is_parent: "false", _hostname: expect.any(String) });
    expect(Object.keys(labels)).toContain("_kernel_version");
    scene.reload("", `${GUID_KEY}\nlabels = { room = "4 b" }`);
    expect((await scene.report()).hosts[0]!.labels).toEqual({ room: "4 b" });
    expect((await info()).host_labels).toMatchObject({ room: "4 b", _os: "linux" });
  });

  test("web.gzip_level", async () => {
    await using scene = await AgentScene.start(`${WEB}gzip_level = 3`);
    const encoding = async () => {
      const response = await scene.fetch("/api/v1/agent", { headers: { "Accept-Encoding": "gzip" } });
      await response.text();
      return response.headers.get("Content-Encoding");
    };
    expect(await encoding()).toBe("gzip");
    scene.reload(`${WEB}gzip_level = 0`);
    expect(await encoding()).toBeNull();
    expect(scene.events("config.reloaded")[0]).toContain("changed=web.gzip_level");
  });

  test("web.disconnect_idle_clients_after_seconds", async () => {
    await using scene = await AgentScene.start("");
    const client = await scene.connect();
    client.send("GET /api/v1/info HTTP/1.1\r\nHost: a\r\n\r\n");
    await until(() => client.text.includes("200 OK"));
    scene.reload(`${WEB}disconnect_idle_clients_after_seconds = 5`);
    scene.clock.advance(10_000);
    expect(await client.untilClosed()).toStartWith("HTTP/1.1 200");
  });

  test("stream.enabled: on, with another parent, and off again", async () => {
    await using scene = await AgentScene.start("");
    scene.reload(STREAM);
    expect((await scene.report()).links).toMatchObject([{ from: OWN_GUID, to: "parent-1:19999", key: "5555" }]);
    expect(await (await scene.fetch("/api/v1/info")).json()).toMatchObject({ "stream-enabled": true });
    scene.reload(`${STREAM}default_port = 7\n`);
    expect((await scene.report()).links).toMatchObject([{ to: "parent-1:7" }]);
    scene.reload("");
    expect((await scene.report()).links).toEqual([]);
  });

  test("stream.confirm", async () => {
    await using scene = await AgentScene.start(STREAM);
    for (const confirm of ["hop", "end", "hop"]) {
      scene.reload(`${STREAM}confirm = "${confirm}"\n`);
      expect(await scene.report()).toMatchObject({ links: [{ confirm, unconfirmed: null }], restart_needed: [] });
    }
  });
});

describe("an identity that cannot be kept", () => {
  test.each([
    ["switches streaming on", STREAM],
    ["enables an API key", ACCEPT],
  ])("refuses a file that %s: nothing changes; nor does an agent start with it", async (_what, file) => {
    await using scene = await AgentScene.start("", "");
    scene.reload(`${file}[log]\nformat = "json"\n`, "");
    expect(scene.events("config.reload_refused")).toHaveLength(1);
    expect(scene.events(" error config.reload_refused ")).toHaveLength(1);
    expect(scene.events("config.reloaded")).toEqual([]);
    expect((await scene.report()).links).toEqual([]);
    const client = await scene.connect();
    client.send(`STREAM key=${KEY}&hostname=edge&machine_guid=${CHILD_GUID} HTTP/1.1\r\n\r\n`);
    expect(await client.untilClosed()).toContain("not permitted");
    await expect(AgentScene.start(file, "")).rejects.toThrow("cannot be kept");
  });

  test("takes any other file", async () => {
    await using scene = await AgentScene.start("", "");
    scene.reload(`[api_key."${KEY}"]\nenabled = false\n`, "");
    expect(scene.events("config.reloaded")).toHaveLength(1);
  });
});

describe("a child that is away during a reload", () => {
  const proxy = (table: string) => `${ACCEPT}${table}`;
  const to = (parent: string) =>
    `default_proxy_enabled = true\ndefault_proxy_destination = "${parent}"\ndefault_proxy_api_key = "${PARENT_KEY}"\n`;

  test("is passed on by the new settings of its key, of its machine, and not at all without its key", async () => {
    await using scene = await AgentScene.start(proxy(to("old")));
    const client = await scene.child();
    client.socket.end();
    await until(() => scene.events("receiver.child_disconnected").length > 0);
    expect((await scene.report()).links).toMatchObject([{ from: CHILD_GUID, to: "old:19999" }]);
    scene.reload(proxy(to("new")));
    expect((await scene.report()).links).toMatchObject([{ from: CHILD_GUID, to: "new:19999", key: "5555" }]);
    scene.reload(`${proxy(to("new"))}[machine."${CHILD_GUID}"]\nproxy_destination = "other"\n`);
    expect((await scene.report()).links).toMatchObject([{ to: "other:19999" }]);
    scene.reload(proxy(to("new")).replace("enabled = true", "enabled = false"));
    expect((await scene.report()).links).toEqual([]);
    scene.reload(proxy(to("new")));
    expect((await scene.report()).links).toMatchObject([{ to: "new:19999" }]);
    expect((await scene.report()).hosts).toHaveLength(2);
  });
});
