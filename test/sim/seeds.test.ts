import { expect, test } from "bun:test";
import { IS_SOAK } from "../seeded-random.ts";

/** Worlds of an hour each; they share two processes, as CI has two cores. */
const SEEDS = IS_SOAK ? 1000 : Number(process.env["TRIBUTARY_SIM_SEEDS"] ?? 100);
const PROCESSES = 2;
const MINUTES_MAX = IS_SOAK ? 90 : 10;

test(
  `${SEEDS} seeds, a simulated hour each`,
  async () => {
    const runs = Array.from({ length: PROCESSES }, async (_, first) => {
      const count = Math.ceil((SEEDS - first) / PROCESSES);
      const args = ["--seed", String(1 + first), "--step", String(PROCESSES), "--count", String(count)];
      const child = Bun.spawn([process.execPath, `${import.meta.dir}/run.ts`, ...args], {
        stdio: ["ignore", "pipe", "pipe"],
      });
      const [out, error] = await Promise.all([child.stdout.text(), child.stderr.text()]);
      return { exitCode: await child.exited, text: out + error, count };
    });
    const results = await Promise.all(runs);
    const text = results.map((result) => result.text).join("");
    const failed = results.some(({ exitCode }) => exitCode !== 0);
    expect(failed ? text.replace(/^seed .* ok .*\n/gm, "") : "").toBe("");
    expect(text.match(/^seed \d+ ok /gm)?.length).toBe(SEEDS);
  },
  MINUTES_MAX * 60_000,
);
