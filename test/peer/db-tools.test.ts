import { describe, expect } from "bun:test";
import { join } from "node:path";
import type { Agent } from "./agent.ts";
import { reportOf } from "./agent-report.ts";
import { agentBinary } from "./binary.ts";
import { type Lab, peerTest } from "./peer.ts";
import { waitFor } from "./wait.ts";

/** Runs `tributary db …` on the files of an agent. */
async function db(lab: Lab, agent: Agent, verb: string, ...args: string[]) {
  const words = [await agentBinary(), "db", verb, join(agent.folder, "state"), ...args];
  const child = lab.use(Bun.spawn(words, { env: { TZ: "UTC" }, stdout: "pipe", stderr: "pipe" }));
  const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { code, out, err };
}

/** `second dimension` → the text of the value. */
function exportedValues(csv: string): Map<string, string> {
  const rows = csv.split("\n").slice(1, -1);
  return new Map(rows.map((row) => row.split(",")).map(([time, , , name, value]) => [`${time} ${name}`, value!]));
}

/** The same from the agent itself, up to a second. */
async function shownValues(agent: Agent, chart: string, fromSec: number, toSec: number): Promise<Map<string, string>> {
  const range = `after=${fromSec - 1}&before=${toSec}&points=0&options=seconds`;
  const csv = await agent.text(`/api/v1/data?chart=${chart}&format=csv&${range}`);
  const [head = "", ...rows] = csv.trim().split("\r\n");
  const names = head.split(",").slice(1);
  const values = new Map<string, string>();
  for (const row of rows) {
    const [time, ...cells] = row.split(",");
    cells.forEach((cell, index) => {
      if (cell !== "null") values.set(`${time} ${names[index]}`, cell);
    });
  }
  return values;
}

describe("tributary db", () => {
  peerTest("files of a running and of a killed agent: what the API shows, and nothing is amiss", {}, async (lab) => {
    const agent = await lab.agent({ args: ["--memory", "map", "--history", "300"] });
    const isFilled = async () => {
      const lines = (await db(lab, agent, "export", "--chart", "system.ram", "--unix")).out.split("\n").length;
      return lines > 30;
    };
    await waitFor("some seconds of values", 30_000, isFilled);
    const running = JSON.parse((await db(lab, agent, "stat", "--json")).out);
    const { self } = await reportOf(agent);
    expect(running).toMatchObject({ pid: agent.pid, hosts: [{ guid: self, mode: "map", state: "in_use" }] });
    expect(await db(lab, agent, "verify")).toMatchObject({ code: 0, err: "" });

    // Up to a second that is over for certain.
    const { newest, oldest } = running.hosts[0];
    for (const chart of ["system.ram", "system.ctxt"]) {
      const range = ["--chart", chart, "--after", `${oldest}`, "--before", `${newest - 1}`, "--unix"];
      const { out } = await db(lab, agent, "export", ...range);
      const shown = await shownValues(agent, chart, oldest, newest - 1);
      expect(shown.size).toBeGreaterThan(3);
      expect(exportedValues(out)).toEqual(shown);
    }
    const before = await db(lab, agent, "export", "--before", `${newest - 1}`);
    agent.signal("SIGKILL");
    await agent.exited;
    const after = await db(lab, agent, "export", "--before", `${newest - 1}`);
    expect(after.out).toBe(before.out);
    const killed = JSON.parse((await db(lab, agent, "stat", "--json")).out);
    expect(killed).toMatchObject({ pid: null, hosts: [{ guid: self, state: "killed", problem: "", set_aside: [] }] });
    expect(killed.hosts[0].newest).toBeGreaterThanOrEqual(newest);
    const { code, out } = await db(lab, agent, "verify");
    expect({ code, out }).toEqual({ code: 0, out: expect.stringMatching(/^1 host, .*, 0 problems\n$/) });

    // A reader that has seen enough is no failure.
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of the shell.
    const script = '"$0" db export "$1" | head -n 2; echo "${PIPESTATUS[0]}"';
    const head = Bun.spawn(["bash", "-c", script, await agentBinary(), join(agent.folder, "state")]);
    const lines = (await head.stdout.text()).trim().split("\n");
    expect([lines[0], lines.length, lines[2]]).toEqual(["time,host,chart,dimension,value", 3, "0"]);
  });
});
