import { join } from "node:path";
import { IS_SOAK } from "../seeded-random.ts";
import type { Agent } from "./agent.ts";
import type { AgentReport, DatabaseAccount, LinkAccount } from "./agent-report.ts";
import { compareCollected } from "./collected.ts";
import { type ChartFacts, compareStream, HostView, readCharts, type Window } from "./compare.ts";
import { Lab } from "./peer.ts";
import { ProcessPriority } from "./process-priority.ts";
import { Relay } from "./relay.ts";
import { NETDATA_KEY, type NetdataPeer } from "./servers.ts";
import { StallWatch } from "./stall-watch.ts";
import { figuresOf, firstMinuteProblems, type StreamFigures, steadyProblems } from "./stream-rules.ts";
import { readStreamText, type StreamText } from "./stream-text.ts";
import { waitFor } from "./wait.ts";

/** Seconds that are compared under the strict rule. */
const WINDOW_SEC = IS_SOAK ? 600 : 60;
/**
 * Seconds before them. For the first minute of a link both kinds of child send no interval and the receiver goes by its
 * own clock; after that the child's intervals count.
 */
const START_SEC = 66;
/** Of that minute, what is compared: first values, also of charts of 5 s, are bases; the last may have intervals already. */
const FIRST_MINUTE = [11, 56] as const;
/** The newest seconds may be stored at one place and on their way at the other. */
const SETTLED_SEC = 4;
const ATTEMPTS_MAX = 3;
/** How long a test may wait for all of it: starts and comparisons take a while on a busy machine. */
export const OBSERVATION_MS = ATTEMPTS_MAX * (START_SEC + WINDOW_SEC + 60) * 1000;
/** A share of values one second late that no accident of single seconds makes. */
const SHIFTED_SHARE = 0.9;

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
  /** In the first minute of the link, and after it. */
  readonly firstMinute: StreamFigures;
  readonly steady: StreamFigures;
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
  /** Why earlier observations were given up; for people. */
  readonly givenUp: readonly string[];
}

/**
 * Starts all trees under load, lets them run, and looks at what they have. Where that breaks a rule and the machine
 * itself was the reason, they are started anew; the last time counts whatever the reason.
 */
export async function observe(): Promise<Observation> {
  const givenUp: string[] = [];
  for (let attempt = 1; ; attempt++) {
    await using lab = new Lab();
    startLoad(lab);
    lab.use(new ProcessPriority());
    const startSec = Math.floor(Date.now() / 1000);
    const watch = lab.use(new StallWatch());
    const trees = await startTrees(lab);
    await Bun.sleep((START_SEC + WINDOW_SEC + SETTLED_SEC) * 1000);
    const before = Math.floor(Date.now() / 1000) - SETTLED_SEC;
    const routes = await compareRoutes(trees, [before - WINDOW_SEC + 1, before]);
    const excuse = excuseOf(routes, watch.stallsBetween(startSec, before));
    if (excuse === undefined || attempt === ATTEMPTS_MAX) return { routes, ...(await look(trees)), givenUp };
    givenUp.push(excuse);
  }
}

/** @returns why what is wrong says nothing about our agents; undefined when nothing is wrong, or nothing excuses it. */
function excuseOf(routes: Observation["routes"], stalls: readonly string[]): string | undefined {
  const broken = (Object.keys(ROUTES) as RouteName[]).flatMap((name) => {
    const { firstMinute, steady } = routes[name];
    const problems = [...firstMinuteProblems(firstMinute), ...steadyProblems(steady)];
    return problems.length === 0 ? [] : [{ name, problem: problems[0]! }];
  });
  const [first] = broken;
  if (first === undefined) return undefined;
  const what = `${first.name}: ${first.problem}`;
  if (stalls.length > 0) return `${what}; the machine stood still: ${stalls.slice(0, 5).join(", ")}`;
  return broken.every(({ name }) => isShiftedByNetdata(name, routes[name])) ? `${what}; all a second late` : undefined;
}

/**
 * A real netdata that read the last value without interval late dates all later ones by that moment: the protocol has
 * no cure. Ours goes back to its clock, so where ours keeps the values this excuses nothing.
 */
function isShiftedByNetdata(name: RouteName, { firstMinute, steady }: RouteResult): boolean {
  const [, to] = ROUTES[name];
  const isReal = to === "netdataParent" || to === "proxyParent";
  return isReal && steady.lateShare >= SHIFTED_SHARE && firstMinuteProblems(firstMinute).length === 0;
}

async function compareRoutes(trees: Trees, window: Window): Promise<Observation["routes"]> {
  const compared = Object.entries(ROUTES).map(async ([name, [from, to]]) => {
    return [name, await compareRoute(trees, from, to, window)] as const;
  });
  return Object.fromEntries(await Promise.all(compared)) as Observation["routes"];
}

/** What is final only after the children have ended. */
async function look(trees: Trees) {
  const received = await endChildren(trees);
  return { received, ...(await lookAtLinks(trees)) };
}

type Trees = Awaited<ReturnType<typeof startTrees>>;

function startLoad(lab: Lab): void {
  const command = [process.execPath, join(import.meta.dir, "load.ts"), lab.newFolder("load")];
  lab.use(Bun.spawn(command, { stdin: "pipe", stdout: "ignore", stderr: "ignore" }));
}

async function startTrees(lab: Lab) {
  const accept = `[api_key."${NETDATA_KEY}"]\nenabled = true\n`;
  const [parent, netdataParent, proxyParent] = await Promise.all([
    lab.agent({ config: `${accept}[collector]\nenabled = false\n` }),
    lab.netdata({ role: "parent" }),
    lab.netdata({ role: "parent" }),
  ]);
  const beyondProxy = lab.use(await Relay.open(proxyParent.port));
  const proxy = await lab.agent({ config: `${accept}[collector]\nenabled = false\n${streamTo(beyondProxy)}` });
  const ourRelay = lab.use(await Relay.open(netdataParent.port));
  const ourChild = await lab.agent({ config: streamTo(ourRelay) });
  const start = async (target: Agent, caps: "v1" | "default") => {
    const relay = lab.use(await Relay.open(target.port));
    const child = await lab.netdata({ role: "child", parent: `127.0.0.1:${relay.port}`, caps });
    return { child, relay, target };
  };
  const [plainChild, child, proxiedChild] = await Promise.all([
    start(parent, "v1"),
    start(parent, "default"),
    start(proxy, "v1"),
  ]);
  const children = { plainChild, child, proxiedChild };
  return { agents: { parent, proxy, ourChild, netdataParent, proxyParent }, children, ourRelay, beyondProxy };
}

function streamTo({ port }: Relay): string {
  return `[stream]\nenabled = true\ndestination = "127.0.0.1:${port}"\napi_key = "${NETDATA_KEY}"\n`;
}

async function compareRoute(
  { agents, children, ourRelay }: Trees,
  from: (typeof ROUTES)[RouteName][0],
  to: (typeof ROUTES)[RouteName][1],
  window: Window,
): Promise<RouteResult> {
  const { relay, port } =
    from === "ourChild"
      ? { relay: ourRelay, port: agents.ourChild.port }
      : { relay: children[from].relay, port: children[from].child.port };
  const source = new HostView(port);
  const target = new HostView(agents[to].port, await guidOf(source));
  const [connection] = relay.streams;
  const stream = readStreamText(connection!.sent);
  const sinceSec = Math.ceil(connection!.arrivals[0]!.atMs / 1000);
  const firstMinute = [sinceSec + FIRST_MINUTE[0], sinceSec + FIRST_MINUTE[1]] as const;
  const [first, steady] = await compareStream(stream, [source, target], [firstMinute, window]);
  return {
    firstMinute: figuresOf(first!),
    steady: figuresOf(steady!),
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
  const [plainChild, child, proxiedChild] = await Promise.all([
    end(children.plainChild),
    end(children.child),
    end(children.proxiedChild),
  ]);
  return { plainChild, child, proxiedChild };
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
  await Promise.all(Object.values(agents).map((agent) => agent.stop()));
  return {
    ourLink,
    ourStream: readStreamText(ourRelay.streams[0]!.sent),
    proxyLink,
    proxyStream: readStreamText(beyondProxy.streams[0]!.sent),
    proxyParentVersion: info.version,
  };
}
