import type { CommitListener } from "../../agent/rrd/commit-listener.ts";
import { T0_SEC } from "../simulated-host.ts";
import type { Plan } from "./plan.ts";
import type { SimulatedMachine } from "./simulated-machine.ts";
import type { Hop, World } from "./world.ts";

/** Something wrong that a simulation must find, planted from outside: the product knows nothing of it. */
export interface Planted {
  readonly what: string;
  /** Of a world that it can be found in, if not of any. */
  readonly plan?: Partial<Plan>;
  plant(world: World): void;
  /** All of these must occur in what the simulation says. */
  readonly found: readonly string[];
}

/** In a time in which nothing else is wrong. */
const AT_SEC = 150;
const OUTAGE_SEC = 30;
/** A line on which live values get through, and what lies behind takes longer than this. */
const SLOW_BYTES_PER_SEC = 3000;
const FETCHING_SEC = 15;

/** What the receiving agent itself says when its sender wrote more than it has read. */
const UNEQUAL = "found in a stream account: the sender wrote ";

/** What agents of today can be wrong in. */
export const PLANTED: readonly Planted[] = [
  {
    what: "one SET is lost on its way",
    plant: losesLine(/^SET [^\n]*\n/m),
    found: ["1 values of the child are missing", UNEQUAL],
  },
  { what: "one END is lost on its way", plant: losesLine(/^END\n/m), found: ["in a quiet minute", UNEQUAL] },
  { what: "one BEGIN is lost on its way", plant: losesLine(/^BEGIN [^\n]*\n/m), found: ["in a quiet minute", UNEQUAL] },
  {
    what: "one iteration is lost on its way",
    plant: losesLine(/^BEGIN "?sim.stamp"? [\s\S]*?END\n/m),
    found: ["sim.stamp d0 at 1", UNEQUAL],
  },
  { what: "one value is another", plant: altersLine(/^SET "?d0"? = (\d+)\n/m, (value) => value + 7), found: ["sim."] },
  {
    what: "one interval is another",
    plant: altersLine(/^BEGIN "?sim.stamp"? (\d{6,})\n/m, (value) => value - 900_000),
    found: ["sim.stamp d0 at 1"],
  },
  {
    what: "one acknowledgement is skipped",
    plant: losesLine(/^TRIBUTARY "STORED" [^\n]*\n/m, "its parent"),
    found: ["was confirmed nothing for"],
  },
  {
    what: "a replay range begins one second late",
    plant: (world) => {
      cutsLinkOnce(world);
      altersLine(/^REPLAY_CHART "?sim.stamp"? "?true"? (\d+) \d+\n/m, (second) => second + 1, "its parent")(world);
    },
    found: ["values of the child are missing"],
  },
  { what: "one iteration comes after the next one", plant: swapsIterations, found: ["sim.stamp d0 at 1"] },
  {
    what: "a second is told twice in an answer, with another value the second time",
    plant: (world) => {
      cutsLinkOnce(world);
      const row = /^RBEGIN '' \d+ \d+ \d+\nRSET "d0" (\d+) (?:[^R][^\n]*|R[^B][^\n]*)\n(?:RSET [^\n]*\n)+/m;
      tampers(row, (line, value) => line + line.replace(value, String(Number(value) + 7)), "child")(world);
    },
    found: ["the child stored"],
  },
  {
    what: "what is missing is forgotten when an agent starts",
    plant: (world) => {
      killsWhileFetching(world);
      for (const machine of world.machines) machine.started = () => forgetMissing(machine);
    },
    found: ["values of the child are missing"],
  },
  {
    what: "what the next agent has is confirmed although the end was asked for",
    plan: { confirm: "end" },
    plant: (world) => {
      cutsLink(world, world.hops.at(-1)!);
      everyLine(world, /^(TRIBUTARY "STORED" "(\d+)" "\d+" "\d+" "\d+") "\d+"/gm, '$1 "$2"');
    },
    found: ["values of the child are not confirmed, but its end lacks"],
  },
  { what: "one iteration is not offered to the link", plant: skipsCommit, found: ["its link was offered"] },
  {
    what: "one value is counted twice",
    plant: (world) => {
      world.time.at((T0_SEC + AT_SEC) * 1e6, () => {
        const host = world.child.hosts[0];
        if (host !== undefined) host.balance.stored++;
      });
    },
    found: [
      "the account of child is off by -1",
      "child found in a database account: the account of what was stored of it is off by -1 values: counted twice",
    ],
  },
  {
    what: "one replayed row is lost on its way",
    plant: (world) => {
      cutsLinkOnce(world);
      losesLine(/^RBEGIN '' [^\n]*\n/m)(world);
    },
    found: [UNEQUAL],
  },
  {
    what: "what a child says of its way is lost once",
    plant: losesLine(/^TRIBUTARY "HOP" [^\n]*\n/m),
    found: ["was told by child"],
  },
  {
    what: "an agent says that it is complete further than it is",
    plant: (world) => {
      cutsLinkOnce(world);
      world.time.at((T0_SEC + AT_SEC + OUTAGE_SEC - 5) * 1e6, () => {
        const [{ to }] = world.hops as [World["hops"][number]];
        for (const host of to.flatMap(({ hosts }) => hosts)) host.lastCollectedUs += OUTAGE_SEC * 1e6;
      });
    },
    found: ["says it is complete up to"],
  },
];

function losesLine(pattern: RegExp, sender: Sender = "child"): (world: World) => void {
  return tampers(pattern, () => "", sender);
}

/** @param pattern with the number that is altered in brackets. */
function altersLine(
  pattern: RegExp,
  change: (value: number) => number,
  sender: Sender = "child",
): (world: World) => void {
  return tampers(pattern, (line, value) => line.replace(value, String(change(Number(value)))), sender);
}

/** Whose bytes are changed: the child's own, or those it is sent. */
type Sender = "child" | "its parent";

/** Changes the first match of what is sent on the child's link from then on, and nothing more. */
function tampers(
  pattern: RegExp,
  change: (match: string, value: string) => string,
  sender: Sender,
): (world: World) => void {
  return (world) => {
    let isDone = false;
    world.network.tamper = (from, to, bytes) => {
      const isMeant = (sender === "child" ? from : to) === world.child;
      if (isDone || !isMeant || world.second < AT_SEC) return bytes;
      const text = bytes.toString("latin1");
      const changed = text.replace(pattern, change);
      isDone = changed !== text;
      return Buffer.from(changed, "latin1");
    };
  };
}

/** The first iteration of a chart from then on is told after the one that follows it. */
function swapsIterations(world: World): void {
  const iteration = /^BEGIN "?sim.stamp"? [\s\S]*?END\n/m;
  let held = "";
  let isDone = false;
  world.network.tamper = (from, _to, bytes) => {
    if (isDone || from !== world.child || world.second < AT_SEC) return bytes;
    const text = bytes.toString("latin1");
    const [found] = iteration.exec(text) ?? [""];
    if (found === "") return bytes;
    isDone = held !== "";
    const changed = text.replace(found, held === "" ? "" : found + held);
    held ||= found;
    return Buffer.from(changed, "latin1");
  };
}

/** The child's parent dies while it fetches, on a slow line, what an outage has left; it lives again at once. */
export function killsWhileFetching(world: World): void {
  const [{ from, to }] = world.hops as [World["hops"][number]];
  const [parent] = to as [SimulatedMachine];
  const link = world.network.link(from.name, parent.name);
  const at = (second: number, run: () => void) => world.time.at((T0_SEC + AT_SEC + second) * 1e6, run);
  at(0, () => {
    world.network.reset(from.name, parent.name, "both");
    world.network.setCut(from.name, parent.name, true);
  });
  at(2 * OUTAGE_SEC, () => {
    world.network.setCut(from.name, parent.name, false);
    link.bytesPerSec = SLOW_BYTES_PER_SEC;
  });
  at(2 * OUTAGE_SEC + FETCHING_SEC, () => {
    parent.kill();
    parent.start();
    world.calm(from.name, parent.name);
  });
}

function forgetMissing({ hosts }: SimulatedMachine): void {
  for (const host of hosts) host.missingFromSec = 0;
}

/** Changes every match in what the child is sent by its parent. */
function everyLine(world: World, pattern: RegExp, replacement: string): void {
  world.network.tamper = (_, to, bytes) => {
    if (to !== world.child) return bytes;
    return Buffer.from(bytes.toString("latin1").replace(pattern, replacement), "latin1");
  };
}

/** An outage of the child's link that leaves something to be replayed. */
function cutsLinkOnce(world: World): void {
  cutsLink(world, world.hops[0]!);
}

function cutsLink(world: World, { from, to }: Hop): void {
  for (const { name } of to) {
    world.time.at((T0_SEC + AT_SEC) * 1e6, () => {
      world.network.reset(from.name, name, "both");
      world.network.setCut(from.name, name, true);
    });
    world.time.at((T0_SEC + AT_SEC + OUTAGE_SEC) * 1e6, () => world.network.setCut(from.name, name, false));
  }
}

function skipsCommit(world: World): void {
  world.time.at((T0_SEC + AT_SEC) * 1e6, () => {
    const host = world.child.hosts[0];
    const listener = host?.listener;
    if (host === undefined || listener == null) return;
    const once: CommitListener = {
      commit: () => {
        host.listener = listener;
      },
    };
    host.listener = once;
  });
}
