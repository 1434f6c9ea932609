import { expect, test } from "bun:test";
import { Agent } from "../../agent/app/agent.ts";
import { Logger } from "../../agent/base/log.ts";
import { type LoadedConfig, parseConfig } from "../../agent/config/load.ts";
import { PROMPT_V1 } from "../../agent/wire/answers.ts";
import { SteppedClock } from "../collector-world.ts";
import { SimulatedDisk } from "../simulated-disk.ts";
import { Client, until } from "./door-fixture.ts";

const KEY = "11111111-2222-3333-4444-555555555555";
const GUID = "aaaaaaaa-0000-0000-0000-00000000000c";
const HOST_PATH = `/nowhere/db/${GUID}`;
const CHART = "CHART a.one '' t u f c line 1 1\nDIMENSION d\nBEGIN a.one\nSET d = 5\nEND\n";
const ORPHANS_AFTER_SEC = 10;

interface Report {
  hosts: { guid: string; status: string; charts: number; mode: string }[];
}

function load(history: number, mode: string): LoadedConfig {
  const loaded = parseConfig(
    `[agent]
       state_dir = "/nowhere"
       machine_guid = "aaaaaaaa-0000-0000-0000-000000000000"
       [web]
       listen = "127.0.0.1:0"
       [collector]
       enabled = false
       [db]
       mode = "ram"
       delete_orphan_hosts_files = true
       cleanup_orphan_hosts_after_seconds = ${ORPHANS_AFTER_SEC}
       [api_key."${KEY}"]
       enabled = true
       default_memory_mode = "${mode}"
       default_history = ${history}`,
    "test.toml",
  );
  if (loaded instanceof Error) throw loaded;
  return loaded;
}

/** A parent in memory mode map on a simulated disk, with one child. */
class ParentRun implements AsyncDisposable {
  readonly clock = new SteppedClock();
  readonly lines: string[] = [];
  agent!: Agent;

  static async start(disk: SimulatedDisk, history: number, mode = "map"): Promise<ParentRun> {
    const run = new ParentRun();
    const { clock } = run;
    const log = new Logger({ clock, level: "info", format: "text", write: (line) => void run.lines.push(line) });
    run.agent = await Agent.start(load(history, mode), { clock, log, version: "0", random: () => 0, files: disk });
    return run;
  }

  async child(): Promise<Client> {
    const client = await Client.connect(Number(new URL(this.agent.url!).port));
    client.send(`STREAM key=${KEY}&hostname=edge&machine_guid=${GUID} HTTP/1.1\r\n\r\n`);
    await until(() => client.text === PROMPT_V1);
    return client;
  }

  async host(): Promise<Report["hosts"][number] | undefined> {
    const report = (await (await fetch(`${this.agent.url}/api/v1/agent`)).json()) as Report;
    return report.hosts.find(({ guid }) => guid === GUID);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.agent.stop();
  }
}

test("files of orphans are deleted, those of a host that is only made anew are not", async () => {
  const disk = new SimulatedDisk();
  {
    await using run = await ParentRun.start(disk, 200);
    const client = await run.child();
    client.send(CHART);
    await until(() => disk.list(HOST_PATH).includes("seg-0.rrd"));
  }
  disk.crash();
  const names = disk.list(HOST_PATH);
  await using run = await ParentRun.start(disk, 600);
  expect(await run.host()).toMatchObject({ status: "archived", charts: 1 });
  // The file gets the length of the other history; what it held is in it.
  const before = disk.size(`${HOST_PATH}/seg-0.rrd`)!;
  const client = await run.child();
  expect(disk.size(`${HOST_PATH}/seg-0.rrd`)).toBeGreaterThan(before);
  expect([disk.list(HOST_PATH), (await run.host())?.charts]).toEqual([names, 1]);
  client.socket.end();
  await until(() => run.lines.some((line) => line.includes("receiver.child_disconnected")));
  // Looked at once a minute.
  run.clock.advance(1000 * (ORPHANS_AFTER_SEC + 62));
  expect(run.lines.filter((line) => line.includes("receiver.orphan_removed"))).toHaveLength(1);
  expect([disk.list("/nowhere/db"), await run.host()]).toEqual([[".lock"], undefined]);
});

test("children get files from the reload on that asks for them", async () => {
  const disk = new SimulatedDisk();
  await using run = await ParentRun.start(disk, 200, "ram");
  expect(disk.calls).toBe(0);
  run.agent.reload(load(200, "map"));
  const client = await run.child();
  client.send(CHART);
  await until(() => disk.list(HOST_PATH).includes("seg-0.rrd"));
  expect((await run.host())?.mode).toBe("map");
});

test("a reload that asks for files another agent uses is refused", async () => {
  const disk = new SimulatedDisk();
  await using run = await ParentRun.start(disk, 200, "ram");
  await using other = await ParentRun.start(disk, 200);
  run.agent.reload(load(200, "map"));
  expect(other.lines.filter((line) => line.includes("error"))).toEqual([]);
  expect(run.lines.filter((line) => line.includes("config.reload_refused"))).toEqual([
    expect.stringContaining("in use"),
  ]);
});
