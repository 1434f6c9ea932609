import { expect, test } from "bun:test";
import { T0_SEC } from "../simulated-host.ts";
import type { Plan } from "./plan.ts";
import { simulate } from "./simulation.ts";
import type { World } from "./world.ts";

/** More than any schedule has. */
const ALL_FAULTS = Array.from({ length: 1000 }, (_, i) => i + 1);
/** A world with a proxy, in which every memory outlives a kill. */
const SEED = 13;
/** What the child collects at most. */
const VALUES_PER_SEC = 32;
const DOWN_SEC = 5;
/** An agent that was killed is back, and what came meanwhile is confirmed. */
const BACK_SEC = 30;
/** Each of three agents speaks once a second. */
const BEHIND_VALUES = 4 * VALUES_PER_SEC;

/** Every agent of the path is killed once, one after the other; `look` comes some time after each has begun anew. */
function killInTurn(world: World, look: () => void): void {
  const { child, proxies, parents } = world;
  const [first] = parents;
  for (const [place, machine] of [proxies[0]!, first!, child].entries()) {
    const atSec = T0_SEC + 120 + 60 * place;
    world.time.at(atSec * 1e6, () => machine.kill());
    world.time.at((atSec + DOWN_SEC) * 1e6, () => machine.start());
    world.time.at((atSec + DOWN_SEC + BACK_SEC) * 1e6, look);
  }
}

/** Of a child that has lost its newest values, proxy and parent fetch what it could have collected once more. */
const REPEATED_VALUES = 2 * VALUES_PER_SEC * (DOWN_SEC + 65);

const CASES: readonly { name: string; modes: Plan["modes"]; repeated: number }[] = [
  { name: "map, map, map", modes: { child: "map", proxy: "map", parents: "map" }, repeated: 0 },
  // The proxy fetches everything once more, and the end what it had not saved.
  { name: "map, ram, save", modes: { child: "map", proxy: "ram", parents: "save" }, repeated: 0 },
  { name: "ram, save, ram", modes: { child: "ram", proxy: "save", parents: "ram" }, repeated: 0 },
  // What the child had not saved is at the others, and nowhere else.
  { name: "save, map, save", modes: { child: "save", proxy: "map", parents: "save" }, repeated: REPEATED_VALUES },
];

test.each(CASES)("nothing confirmed is lost by a kill, nor sent to whom has it: $name", ({ modes, repeated }) => {
  const looks: { lost: number; open: number; merged: number }[] = [];
  const acknowledged: number[] = [];
  const { problems } = simulate({
    seed: SEED,
    seconds: 420,
    without: ALL_FAULTS,
    plan: { confirm: "end", modes, saveEverySec: 20 },
    prepare: (world) =>
      killInTurn(world, () => {
        const { values } = world.child.links[0]!;
        const lost = Object.values(values.lost).reduce((sum, count) => sum + count, 0);
        const hosts = world.machines.flatMap((machine) => [...machine.hosts]);
        const merged = hosts.reduce((sum, { balance }) => sum + balance.merged, 0);
        looks.push({ lost, open: values.delivered - values.acknowledged, merged });
        acknowledged.push(values.acknowledged);
      }),
  });
  expect(problems).toEqual([]);
  expect(looks.map(({ lost }) => lost)).toEqual([0, 0, 0]);
  expect(looks.slice(0, 2).map(({ merged }) => merged)).toEqual([0, 0]);
  expect(looks[2]!.merged).toBeLessThanOrEqual(repeated);
  for (const { open } of looks) expect(open).toBeLessThanOrEqual(BEHIND_VALUES);
  // The child's account is of its own life.
  const [afterProxy, afterParent, afterChild] = acknowledged;
  expect(afterParent! - afterProxy!).toBeGreaterThan(50 * 17);
  expect(afterChild).toBeGreaterThan(0);
});
