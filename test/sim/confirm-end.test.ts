import { expect, test } from "bun:test";
import { T0_SEC } from "../simulated-host.ts";
import type { Plan } from "./plan.ts";
import { simulate } from "./simulation.ts";
import type { World } from "./world.ts";

/** More than any schedule has. */
const ALL_FAULTS = Array.from({ length: 1000 }, (_, i) => i + 1);
/** A world with a proxy, in which every memory outlives a kill. */
const SEED = 13;
const DOWN_SEC = 5;
/** An agent that was killed is back, and what came meanwhile is confirmed. */
const BACK_SEC = 30;
/** Each of three agents speaks once a second. */
const BEHIND_VALUES = 4 * 20;

/** Every agent of the path is killed once, one after the other; `look` comes some time after each has begun anew. */
function killInTurn(world: World, look: () => void): void {
  const { child, proxy, parents } = world;
  const [first] = parents;
  for (const [place, machine] of [proxy!, first!, child].entries()) {
    const atSec = T0_SEC + 120 + 60 * place;
    world.time.at(atSec * 1e6, () => machine.kill());
    world.time.at((atSec + DOWN_SEC) * 1e6, () => machine.start());
    world.time.at((atSec + DOWN_SEC + BACK_SEC) * 1e6, look);
  }
}

const MODES: readonly Plan["modes"][] = [
  { child: "map", proxy: "map", parents: "map" },
  // The proxy fetches everything once more, and the end what it had not saved.
  { child: "map", proxy: "ram", parents: "save" },
  { child: "ram", proxy: "save", parents: "ram" },
];

test.each(MODES)("nothing confirmed is lost by a kill, and nothing is sent to whom has it: %o", (modes) => {
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
  expect(looks.map(({ lost, merged }) => [lost, merged])).toEqual([0, 0, 0].map(() => [0, 0]));
  for (const { open } of looks) expect(open).toBeLessThanOrEqual(BEHIND_VALUES);
  // The child's account is of its own life.
  const [afterProxy, afterParent, afterChild] = acknowledged;
  expect(afterParent! - afterProxy!).toBeGreaterThan(50 * 17);
  expect(afterChild).toBeGreaterThan(0);
});
