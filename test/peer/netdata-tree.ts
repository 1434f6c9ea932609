import { join } from "node:path";
import { IS_SOAK } from "../seeded-random.ts";
import type { Agent } from "./agent.ts";
import type { AgentReport, DatabaseAccount, LinkAccount } from "./agent-report.ts";
import { compareCollected } from "./collected.ts";
import { type ChartFacts, compareStream, figuresOf, HostView, readCharts, type StreamFigures } from "./compare.ts";
import { Lab } from "./peer.ts";
import { ProcessPriority } from "./process-priority.ts";
import { Relay } from "./relay.ts";
import { NETDATA_KEY, type NetdataPeer } from "./servers.ts";
import { StallWatch } from "./stall-watch.ts";
import { readStreamText, type StreamText } from "./stream-text.ts";
import { waitFor } from "./wait.ts";

/** Seconds that are compared. */
const WINDOW_SEC = IS_SOAK ? 600 : 60;
/**
 * Seconds before them. For the first minute of a link both kinds of child send no interval and the receiver goes by its
 * own clock, so every hitch of a shared machine moves values; after that the child's intervals count.
 */
const START_SEC = 66;
/** The last moments of that minute set the phase of all that follows: in them the machine must not stand still. */
const PHASE_SEC = 12;
/** The newest seconds may be stored at one place and on their way at the other. */
const SETTLED_SEC = 4;
const ATTEMPTS_MAX = 3;
/** How long a test may wait for all of it: starts and comparisons take a while on a busy machine. */
export const OBSERVATION_MS = ATTEMPTS_MAX * (START_SEC + WINDOW_SEC + 60) * 1000;

/** From whom to whom, by way of whom. */
export const ROUTES = {
  "netdata 1.37.1 without capabilities → our parent": ["plainChild", "parent"],
  "netdata 1.37.1 as it comes → our parent": ["child", "parent"],
  "our child → netdata 1.37.1": ["ourChild", "netdataParent"],
  "netdata 1.37.1 → our proxy": ["proxiedChild", "proxy"],
  "netdata 1.37.1 → our proxy → netdata 1.37.1": ["proxiedChild", "proxyParent"],
} as const;
export type RouteName = keyof typeof ROUTES;

/** What became of one host's charts between two agents. */
export interface RouteResult {
  readonly figures: StreamFigures;
  readonly sourceCharts: Map<string, ChartFacts>;
  readonly targetCharts: Map<string, ChartFacts>;
}

/** A stream into one of our agents, after its child has ended. */
export interface ReceivedResult {
  readonly stream: StreamText;
  readonly balance: DatabaseAccount;
  readonly collected: { count: number; problems: string[] };
  /** Lines of the agent's log about this host that are warnings or errors. */
  readonly complaints: string[];
}

/** Everything the tests look at, taken once from trees that ran side by side. */
export interface Observation {
  readonly routes: Record<RouteName, RouteResult>;
  readonly received: Record<"plainChild" | "child" | "proxiedChild", ReceivedResult>;
  /** What our child wrote. */
  readonly ourStream: StreamText;
  readonly ourLink: LinkAccount;
  /** What our proxy wrote, and the real parent behind it at the end. */
  readonly proxyStream: StreamText;
  readonly proxyLink: LinkAccount;
  readonly proxyParentVersion: string;
  /** The machine never stood still while it mattered. If it did, values of one second may lie in the next. */
  readonly wasQuiet: boolean;
}

/**
 * Starts all trees under load, lets them run, and looks at what they have. On a machine that stood still meanwhile they
 * are started anew: a parent that was late once keeps that second's delay for good, as the protocol has it.
 */
export async function observe(): Promise<Observation> {
  for (let attempt = 1; ; attempt++) {
    await using lab = new Lab();
    startLoad(lab);
    lab.use(new ProcessPriority());
    const trees = await startTrees(lab);
    const watch = lab.use(new StallWatch());
    await Bun.sleep((START_SEC + WINDOW_SEC + SETTLED_SEC) * 1000);
    const before = Math.floor(Date.now() / 1000) - SETTLED_SEC;
    const window = [before - WINDOW_SEC + 1, before] as const;
    const wasQuiet = watch.isQuietBetween(window[0] - PHASE_SEC, window[1]);
    if (wasQuiet || attempt === ATTEMPTS_MAX) return { ...(await look(trees, window)), wasQuiet };
  }
}

async function look(trees: Trees, window: readonly [number, number]): Promise<Omit<Observation, "wasQuiet">> {
  const routes = {} as Record<RouteName, RouteResult>;
  for (const [name, [from, to]] of Object.entries(ROUTES) as [RouteName, (typeof ROUTES)[RouteName]][]) {
    routes[name] = await compareRoute(trees, from, to, window);
  }
  const received = await endChildren(trees);
  return { routes, received, ...(await lookAtLinks(trees)) };
}

type Trees = Awaited<ReturnType<typeof startTrees>>;

function startLoad(lab: Lab): void {
  const command = [process.execPath, join(import.meta.dir, "load.ts"), lab.newFolder("load")];
  lab.use(Bun.spawn(command, { stdin: "pipe", stdout: "ignore", stderr: "ignore" }));
}

async function startTrees(lab: Lab) {
  const accept = `[api_key."${NETDATA_KEY}"]\nenabled = true\n`;
  const parent = await lab.agent({ config: `${accept}[collector]\nenabled = false\n` });
  const [netdataParent, proxyParent] = [await lab.netdata({ role: "parent" }), await lab.netdata({ role: "parent" })];
  const beyondProxy = lab.use(await Relay.open(proxyParent.port));
  const proxy = await lab.agent({ config: `${accept}[collector]\nenabled = false\n${streamTo(beyondProxy)}` });
  const ourRelay = lab.use(await Relay.open(netdataParent.port));
  const ourChild = await lab.agent({ config: streamTo(ourRelay) });
  const start = async (target: Agent, caps: "v1" | "default") => {
    const relay = lab.use(await Relay.open(target.port));
    const child = await lab.netdata({ role: "child", parent: `127.0.0.1:${relay.port}`, caps });
    return { child, relay, target };
  };
  const children = {
    plainChild: await start(parent, "v1"),
    child: await start(parent, "default"),
    proxiedChild: await start(proxy, "v1"),
  };
  return { agents: { parent, proxy, ourChild, netdataParent, proxyParent }, children, ourRelay, beyondProxy };
}

function streamTo({ port }: Relay): string {
  return `[stream]\nenabled = true\ndestination = "127.0.0.1:${port}"\napi_key = "${NETDATA_KEY}"\n`;
}

async function compareRoute(
  { agents, children, ourRelay }: Trees,
  from: (typeof ROUTES)[RouteName][0],
  to: (typeof ROUTES)[RouteName][1],
  window: readonly [number, number],
): Promise<RouteResult> {
  const { relay, port } =
    from === "ourChild"
      ? { relay: ourRelay, port: agents.ourChild.port }
      : { relay: children[from].relay, port: children[from].child.port };
  const source = new HostView(port);
  const target = new HostView(agents[to].port, await guidOf(source));
  const stream = readStreamText(relay.streams[0]!.sent);
  return {
    figures: figuresOf(await compareStream(stream, [source, target], window)),
    sourceCharts: await readCharts(source),
    targetCharts: await readCharts(target),
  };
}

async function guidOf(view: HostView): Promise<string> {
  return (JSON.parse(await view.text("info")) as { uid: string }).uid;
}

/** Ends the real children, so that what they sent is final, and looks at what our agents made of it. */
async function endChildren({ children }: Trees): Promise<Observation["received"]> {
  const end = async ({ child, relay, target }: { child: NetdataPeer; relay: Relay; target: Agent }) => {
    const guid = await guidOf(new HostView(child.port));
    await child.stop();
    const report = await waitFor("the child's end", 10_000, async () => {
      const found = await target.json<AgentReport>("/api/v1/agent");
      return found.receivers.every((receiver) => receiver.guid !== guid) && found;
    });
    const stream = readStreamText(relay.streams[0]!.sent);
    return {
      stream,
      balance: report.hosts.find((host) => host.guid === guid)!.balance,
      collected: await compareCollected(stream, new HostView(target.port, guid)),
      complaints: target
        .log()
        .split("\n")
        .filter((line) => / (?:warn|error) +receiver\./.test(line)),
    };
  };
  return {
    plainChild: await end(children.plainChild),
    child: await end(children.child),
    proxiedChild: await end(children.proxiedChild),
  };
}

/** Our child is ended too; its last report is from before. */
async function lookAtLinks({ agents, ourRelay, beyondProxy }: Trees) {
  const link = async (agent: Agent, index: number) => {
    const report = await agent.json<AgentReport>("/api/v1/agent");
    return report.links[index]!.account;
  };
  const ourLink = await link(agents.ourChild, 0);
  // The proxy's own host has no collectors and so no link of values: the child's is the one that was offered any.
  const proxyLink = await waitFor("the proxy to hand everything on", 10_000, async () => {
    const { links } = await agents.proxy.json<AgentReport>("/api/v1/agent");
    const account = links.map((each) => each.account).find(({ offered }) => offered > 0)!;
    return account.queued + account.in_flight === 0 && account;
  });
  const info = JSON.parse(await new HostView(agents.proxyParent.port).text("info")) as { version: string };
  await agents.ourChild.stop();
  return {
    ourLink,
    ourStream: readStreamText(ourRelay.streams[0]!.sent),
    proxyLink,
    proxyStream: readStreamText(beyondProxy.streams[0]!.sent),
    proxyParentVersion: info.version,
  };
}
