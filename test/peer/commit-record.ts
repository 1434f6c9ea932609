import { type ChartFacts, type HostView, type Points, readCharts, readPoints } from "./compare.ts";
import type { Death } from "./mortal.ts";

/** Seconds that are read once more: charts commit one after the other, and some only every 5 s. */
const OVERLAP_SEC = 12;
/** Charts that are asked for at the same time. */
const AT_ONCE = 4;
/** Of a run, the first seconds without values: a first value is only a base, and charts come about over some seconds. */
const BEGIN_SEC = 5;
/** Examples of each kind that are kept. */
const EXAMPLES_MAX = 20;

/** Charts that every machine has at all times. */
export const STEADY_CHARTS = ["system.cpu", "system.ram", "system.ctxt", "system.processes", "system.uptime"];

/** What an agent has of a host, held against the record. */
export interface Verdict {
  /** Points of the record, and of these the ones that are there and equal. */
  readonly points: number;
  readonly equal: number;
  /** Seconds → how many points of the record are not there; and the dimensions that they belong to → how many. */
  readonly missing: Map<number, number>;
  readonly missingOf: Map<string, number>;
  /** Examples: other values than in the record. */
  readonly wrong: string[];
  /** Examples: values of seconds in which the child was dead. */
  readonly undead: string[];
  /** Values that the record does not have, of seconds in which nobody had looked before the child was killed. */
  readonly unseen: Map<string, number>;
  /** Examples: others that the record does not have. */
  readonly invented: string[];
}

/**
 * The test's own record of what a child committed: read from the child while it lives, seconds after each commit, and
 * kept here, where no kill, replay or lap of a ring reaches it. What a parent shows is held against this, never against
 * what the child says of itself afterwards; that is held against it too.
 */
export class CommitRecord {
  readonly charts = new Map<string, Points>();
  /** A value that was shown once, and another one in its place. */
  readonly contradictions: string[] = [];
  private readonly view: HostView;
  private readonly isWanted: (chart: ChartFacts) => boolean;
  /** When it was looked at, to the end: the second in which that began. */
  private readonly looks: number[] = [];

  /** @param view the host at the child. @param isWanted which charts are recorded. */
  constructor(view: HostView, isWanted: (chart: ChartFacts) => boolean = () => true) {
    this.view = view;
    this.isWanted = isWanted;
  }

  /** Points so far. */
  get points(): number {
    let count = 0;
    for (const [, points] of this.charts) for (const [, values] of points) count += values.size;
    return count;
  }

  /** Adds all that the child shows by now. @throws Error when it does not answer. */
  async read(): Promise<void> {
    const nowSec = Math.floor(Date.now() / 1000);
    const afterSec = (this.looks.at(-1) ?? nowSec) - OVERLAP_SEC;
    const charts = [...(await readCharts(this.view))].filter(([, chart]) => this.isWanted(chart));
    const readNext = async () => {
      for (let next = charts.pop(); next !== undefined; next = charts.pop()) {
        this.add(next[0], await readPoints(this.view, next[0], afterSec, nowSec + 1));
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, readNext));
    this.looks.push(nowSec);
  }

  /** What a child of our kind counted as ticks that it missed, because the machine did not let it run. */
  get missedTicks(): number {
    const missed = this.charts.get("tributary.ticks")?.get("missed") ?? new Map<number, number>();
    return Math.round([...missed.values()].reduce<number>((sum, value) => sum + (value ?? 0), 0));
  }

  /** Seconds without a value of a chart, between its first and its last, in which the child lived and ran for a while. */
  holes(chart: string, deaths: readonly Death[]): number[] {
    const holes = new Set<number>();
    for (const values of this.charts.get(chart)?.values() ?? []) {
      const seconds = [...values.keys()];
      for (let second = Math.min(...seconds); second < Math.max(...seconds); second++) {
        const isExcused = deaths.some(({ killedMs, bornMs }) => {
          return second >= Math.floor(killedMs / 1000) && second < bornMs / 1000 + BEGIN_SEC;
        });
        if (!values.has(second) && !isExcused) holes.add(second);
      }
    }
    return [...holes];
  }

  /**
   * Compares what an agent shows. @param deaths of the child. @param window seconds, both ends included.
   * @param isEqual by default: the same number.
   */
  async compare(
    view: HostView,
    deaths: readonly Death[],
    [after, before]: readonly [number, number],
    isEqual: (one: number, other: number) => boolean = Object.is,
  ): Promise<Verdict> {
    const judge = new Judge(deaths, this.looks, isEqual);
    for (const [id, recorded] of this.charts) {
      const shown = await readPoints(view, id, after, before);
      for (const [dimension, values] of recorded) {
        judge.judge(`${id} ${dimension}`, values, shown.get(dimension) ?? new Map(), [after, before]);
      }
    }
    return judge.verdict;
  }

  private add(id: string, points: Points): void {
    const known = this.charts.get(id) ?? new Map();
    this.charts.set(id, known);
    for (const [dimension, values] of points) {
      const seconds = known.get(dimension) ?? new Map<number, number>();
      known.set(dimension, seconds);
      for (const [second, value] of values) {
        if (value === null) continue;
        const before = seconds.get(second) ?? value;
        if (before !== value) this.contradictions.push(`${id} ${dimension} at ${second}: ${value}, was ${before}`);
        seconds.set(second, value);
      }
    }
  }
}

/** Holds one dimension after the other against the record. */
class Judge {
  readonly verdict = {
    points: 0,
    equal: 0,
    missing: new Map<number, number>(),
    missingOf: new Map<string, number>(),
    wrong: [] as string[],
    undead: [] as string[],
    unseen: new Map<string, number>(),
    invented: [] as string[],
  };
  private readonly deaths: readonly Death[];
  private readonly looks: readonly number[];
  private readonly isEqual: (one: number, other: number) => boolean;

  constructor(deaths: readonly Death[], looks: readonly number[], isEqual: (one: number, other: number) => boolean) {
    this.deaths = deaths;
    this.looks = looks;
    this.isEqual = isEqual;
  }

  judge(
    name: string,
    recorded: ReadonlyMap<number, number | null>,
    shown: ReadonlyMap<number, number | null>,
    [after, before]: readonly [number, number],
  ): void {
    for (const [second, value] of recorded) {
      if (value === null || second < after || second > before) continue;
      this.known(name, second, value, shown.get(second) ?? null);
    }
    for (const [second, value] of shown) {
      if (value !== null && (recorded.get(second) ?? null) === null)
        this.unknown(`${name} at ${second}`, second, value);
    }
  }

  private known(name: string, second: number, value: number, shown: number | null): void {
    const { verdict } = this;
    verdict.points++;
    if (shown === null) {
      verdict.missing.set(second, (verdict.missing.get(second) ?? 0) + 1);
      verdict.missingOf.set(name, (verdict.missingOf.get(name) ?? 0) + 1);
    } else if (this.isEqual(value, shown)) verdict.equal++;
    else example(verdict.wrong, `${name} at ${second}: ${shown}, not ${value}`);
  }

  private unknown(what: string, second: number, value: number): void {
    const { verdict, deaths } = this;
    if (deaths.some(({ goneMs, bornMs }) => 1000 * second > goneMs && 1000 * second <= bornMs)) {
      example(verdict.undead, `${what}: ${value}`);
    } else if (deaths.some((death) => this.isUnseen(death, second))) verdict.unseen.set(what, value);
    else example(verdict.invented, `${what}: ${value}`);
  }

  /** Nobody looked between its commit and the kill. */
  private isUnseen({ killedMs, goneMs }: Death, second: number): boolean {
    const lookedSec = this.looks.findLast((look) => 1000 * look < killedMs) ?? 0;
    return second >= lookedSec && 1000 * second <= goneMs;
  }
}

/** Whether a second was being committed when a program was killed: the one thing that a kill may cost. */
export function isTickOf({ killedMs, goneMs }: Death, second: number): boolean {
  return second >= Math.floor(killedMs / 1000) && second <= Math.floor(goneMs / 1000);
}

function example(examples: string[], text: string): void {
  if (examples.length < EXAMPLES_MAX) examples.push(text);
}
