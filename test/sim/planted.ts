import type { CommitListener } from "../../agent/rrd/commit-listener.ts";
import { T0_SEC } from "../simulated-host.ts";
import type { World } from "./world.ts";

/** Something wrong that a simulation must find, planted from outside: the product knows nothing of it. */
export interface Planted {
  readonly what: string;
  plant(world: World): void;
  /** Must occur in what the simulation says. */
  readonly found: string;
}

/** In a time in which nothing else is wrong. */
const AT_SEC = 150;

/** What agents of today can be wrong in. */
export const PLANTED: readonly Planted[] = [
  { what: "one SET is lost on its way", plant: losesLine(/^SET [^\n]*\n/m), found: "in a quiet minute" },
  { what: "one END is lost on its way", plant: losesLine(/^END\n/m), found: "in a quiet minute" },
  { what: "one BEGIN is lost on its way", plant: losesLine(/^BEGIN [^\n]*\n/m), found: "in a quiet minute" },
  {
    what: "one iteration is lost on its way",
    plant: losesLine(/^BEGIN "?sim.stamp"? [\s\S]*?END\n/m),
    found: "the child collected",
  },
  { what: "one value is another", plant: altersLine(/^SET "?d0"? = (\d+)\n/m, (value) => value + 7), found: "sim." },
  {
    what: "one interval is another",
    plant: altersLine(/^BEGIN "?sim.stamp"? (\d{6,})\n/m, (value) => value - 900_000),
    found: "the child collected",
  },
  { what: "one iteration is not offered to the link", plant: skipsCommit, found: "its link was offered" },
  {
    what: "one value is counted twice",
    plant: (world) => {
      world.time.at((T0_SEC + AT_SEC) * 1e6, () => {
        const host = world.child.hosts[0];
        if (host !== undefined) host.balance.stored++;
      });
    },
    found: "the account of child is off by -1",
  },
];

function losesLine(pattern: RegExp): (world: World) => void {
  return tampers(pattern, () => "");
}

/** @param pattern with the number that is altered in brackets. */
function altersLine(pattern: RegExp, change: (value: number) => number): (world: World) => void {
  return tampers(pattern, (line, value) => line.replace(value, String(change(Number(value)))));
}

/** Changes the first match of what the child sends at that time, and nothing more. */
function tampers(pattern: RegExp, change: (match: string, value: string) => string): (world: World) => void {
  return (world) => {
    let isDone = false;
    world.network.tamper = (from, _to, bytes) => {
      if (isDone || from !== world.child || world.second < AT_SEC) return bytes;
      const text = bytes.toString("latin1");
      const changed = text.replace(pattern, change);
      isDone = changed !== text;
      return Buffer.from(changed, "latin1");
    };
  };
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
