import { describe, expect } from "bun:test";
import type { Agent } from "./agent.ts";
import { HostView, readPoints } from "./compare.ts";
import { peerTest } from "./peer.ts";
import { Relay } from "./relay.ts";
import { NETDATA_KEY } from "./servers.ts";
import { readStreamText } from "./stream-text.ts";
import { waitFor } from "./wait.ts";

const ACCEPT = `[api_key."${NETDATA_KEY}"]\nenabled = true\n[collector]\nenabled = false\n`;
const LABELS = `[agent.labels]\nroom = "server room"\nrack = "7"\n`;
const AGREED = "Hit me baby, push them over with the version=4800";
const WAIT_MS = 30_000;
const TIMEOUT_MS = 120_000;

function streamTo(port: number): string {
  return `[stream]\nenabled = true\ndestination = "127.0.0.1:${port}"\napi_key = "${NETDATA_KEY}"\n`;
}

async function uidOf(port: number): Promise<string> {
  return (JSON.parse(await new HostView(port).text("info")) as { uid: string }).uid;
}

async function hostLabels(view: HostView): Promise<Record<string, string>> {
  const text = await view.text("info");
  return text === "" ? {} : (JSON.parse(text) as { host_labels: Record<string, string> }).host_labels;
}

interface Labelled {
  chart_labels: Record<string, string>;
}

/** Labels of all charts of a host that has some, without the automatic ones of each chart. */
async function chartLabels(view: HostView): Promise<Record<string, Record<string, string>>> {
  const text = await view.text("charts");
  if (text === "") return {};
  const { charts } = JSON.parse(text) as { charts: Record<string, Labelled> };
  const own = Object.entries(charts).map(([id, { chart_labels: labels }]) => {
    return [id, Object.fromEntries(Object.entries(labels).filter(([name]) => !name.startsWith("_")))] as const;
  });
  return Object.fromEntries(own.filter(([, labels]) => Object.keys(labels).length > 0));
}

/** The host has values of its CPU at the agent. */
async function hasValues(view: HostView): Promise<boolean> {
  const nowSec = Math.floor(Date.now() / 1000);
  const points = await readPoints(view, "system.cpu", nowSec - 10, nowSec).catch(() => undefined);
  return [...(points?.get("user")?.values() ?? [])].some((value) => value !== null);
}

/** Waits until what the source says of itself is what the target says of it. */
async function agree<T>(what: string, source: () => Promise<T>, target: () => Promise<T>): Promise<T> {
  return waitFor(`the same ${what} at both ends`, WAIT_MS, async () => {
    const [said, known] = [await source(), await target()];
    return Object.keys(said as object).length > 0 && Bun.deepEquals(said, known) && said;
  });
}

function complaints(agent: Agent): string[] {
  return agent
    .log()
    .split("\n")
    .filter((line) => / (?:warn|error) +(?:receiver|pusher)\./.test(line));
}

describe("labels, by the set of capabilities 4800", () => {
  peerTest(
    "our child → netdata 1.37.1: labels of host and charts, a variable, values; a reload's labels too",
    { needs: ["netdata"] },
    async (lab) => {
      const parent = await lab.netdata({ role: "parent" });
      const relay = lab.use(await Relay.open(parent.port));
      const child = await lab.agent({ config: `${LABELS}${streamTo(relay.port)}` });
      const guid = await uidOf(child.port);
      const [source, target] = [new HostView(child.port), new HostView(parent.port, guid)];
      const charts = await agree(
        "chart labels",
        () => chartLabels(source),
        () => chartLabels(target),
      );
      expect(Object.values(charts).some((labels) => labels["device"] !== undefined)).toBe(true);
      const labels = await hostLabels(target);
      expect(labels).toMatchObject({ room: "server room", rack: "7", _os: "linux", _is_parent: "false" });
      expect(labels["_kernel_version"]).not.toBe("");
      await waitFor("values", WAIT_MS, () => hasValues(target));
      const [stream] = relay.streams;
      expect(stream!.answered.toString("latin1")).toStartWith(AGREED);
      expect(readStreamText(stream!.sent).keywords.get("VARIABLE")).toBeGreaterThan(0);

      await Bun.write(`${child.folder}/tributary.toml`, `[agent.labels]\nroom = "cellar"\n${streamTo(relay.port)}`);
      process.kill(child.pid, "SIGHUP");
      await waitFor("the new labels", WAIT_MS, async () => {
        const now = await hostLabels(target);
        return now["room"] === "cellar" && now["rack"] === undefined;
      });
      // One and the same connection, on which nothing was refused.
      expect(relay.streams.length).toBe(1);
      expect(complaints(child)).toEqual([]);
    },
    TIMEOUT_MS,
  );

  peerTest(
    "netdata 1.37.1 → our proxy → netdata 1.37.1: labels of host and charts at both",
    { needs: ["netdata"] },
    async (lab) => {
      const parent = await lab.netdata({ role: "parent" });
      const beyond = lab.use(await Relay.open(parent.port));
      const proxy = await lab.agent({ config: `${ACCEPT}${streamTo(beyond.port)}` });
      const relay = lab.use(await Relay.open(proxy.port));
      const child = await lab.netdata({ role: "child", parent: `127.0.0.1:${relay.port}` });
      const guid = await uidOf(child.port);
      const source = new HostView(child.port);
      for (const port of [proxy.port, parent.port]) {
        const target = new HostView(port, guid);
        const charts = await agree(
          "chart labels",
          () => chartLabels(source),
          () => chartLabels(target),
        );
        expect(Object.keys(charts).length).toBeGreaterThan(3);
        const said = await hostLabels(source);
        expect(said["_architecture"]).toMatch(/\w/);
        // What netdata changes of a host that it receives is its own affair.
        expect(await hostLabels(target)).toMatchObject(said);
        await waitFor("values", WAIT_MS, () => hasValues(target));
      }
      expect(relay.streams[0]!.answered.toString("latin1")).toStartWith(AGREED);
      const answers = beyond.streams.map((each) => each.answered.toString("latin1"));
      expect(answers.filter((answer) => answer.startsWith(AGREED)).length).toBeGreaterThan(0);
      expect(complaints(proxy)).toEqual([]);
    },
    TIMEOUT_MS,
  );
});
