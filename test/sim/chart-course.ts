import { SeededRandom } from "../seeded-random.ts";
import { counterOf, dimension, levelOf, mix, type SeededChart, seededCharts } from "./seeded-charts.ts";

/** From a second of the world on a chart is collected in this way; null = it is retired. */
export interface ChartPhase {
  readonly fromSec: number;
  readonly chart: SeededChart | null;
}

/** What becomes of one chart of a seeded child in the course of time. */
export interface ChartCourse {
  readonly id: string;
  /** In order of time, the first one of second 0. */
  readonly phases: readonly ChartPhase[];
  /** Whether it is collected in a second at all, of those that its interval allows. */
  isCollected(second: number): boolean;
}

/** Shortest and longest time in which a chart stays as it is. */
const PHASE_SEC_MIN = 5;
const PHASE_SEC_MAX = 400;
/** An irregular chart keeps to one manner for so long. */
const MANNER_SEC = 23;

const ALWAYS = () => true;

/** What is collected in a world of so many seconds: charts that stay, charts that come and go, irregular ones. */
export function chartCourses(seed: number, seconds: number): readonly ChartCourse[] {
  const staying = seededCharts(seed).map((chart) => ({
    id: chart.id,
    phases: [{ fromSec: 0, chart }],
    isCollected: ALWAYS,
  }));
  return [...staying, irregular(seed), changing(seed, seconds, "sim.guest"), changing(seed + 1, seconds, "sim.other")];
}

/** It is collected every second for a while, then every third, then in any, then not at all … */
function irregular(seed: number): ChartCourse {
  const id = "sim.rare";
  const chart = {
    id,
    updateEverySec: 1,
    dimensions: [
      dimension(0, "absolute", (second) => second),
      dimension(1, "incremental", counterOf(seed, 51, 1e9)),
      dimension(2, "absolute", levelOf(seed, 52), { holesPerMille: 200 }),
      dimension(3, "incremental", counterOf(seed, 53, 400)),
    ],
  };
  const isCollected = (second: number) => {
    const manner = mix(seed, 54, Math.floor(second / MANNER_SEC)) % 5;
    if (manner === 0) return false;
    if (manner === 1) return second % 3 === 0;
    return manner === 2 ? mix(seed, 55, second) % 2 === 0 : true;
  };
  return { id, phases: [{ fromSec: 0, chart }], isCollected };
}

/** It comes, is retired, comes back as it was or as another: other dimensions, another meaning, another interval. */
function changing(seed: number, seconds: number, id: string): ChartCourse {
  const random = new SeededRandom(seed ^ 0xc4a7);
  const phases: ChartPhase[] = [{ fromSec: 0, chart: random.chance(50) ? variant(random, seed, id) : null }];
  for (let fromSec = 0; ; ) {
    fromSec += PHASE_SEC_MIN + Math.floor((PHASE_SEC_MAX - PHASE_SEC_MIN) * random.next() ** 2);
    if (fromSec >= seconds) return { id, phases, isCollected: ALWAYS };
    const isRetired = phases.at(-1)!.chart !== null && random.chance(40);
    const before = phases.findLast(({ chart }) => chart !== null)?.chart;
    const isSame = before != null && random.chance(40);
    phases.push({ fromSec, chart: isRetired ? null : isSame ? before : variant(random, seed, id) });
  }
}

function variant(random: SeededRandom, seed: number, id: string): SeededChart {
  const multiplier = random.pick([1, 1, 10]);
  const isRate = random.chance(70);
  const dimensions = [
    dimension(0, "absolute", (second) => second),
    dimension(1, isRate ? "incremental" : "absolute", counterOf(seed, 61, 1e9), { divisor: random.pick([1, 1, 100]) }),
    dimension(2, "absolute", levelOf(seed, 62), { multiplier, holesPerMille: 100 }),
    dimension(3, "incremental", counterOf(seed, 63, 300)),
    dimension(4, "absolute", levelOf(seed, 64)),
  ];
  return { id, updateEverySec: random.pick([1, 1, 1, 2, 5]), dimensions: dimensions.slice(0, 2 + random.below(4)) };
}
