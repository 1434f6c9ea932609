import type { Chart, Charts, Collector, CollectorModule, Dimension } from "../../agent/collector/collector.ts";
import type { ChartCourse } from "./chart-course.ts";
import { mix, type SeededChart } from "./seeded-charts.ts";

/** Told what a seeded child does, right after it has done it. */
export interface CollectorEvents {
  /** A chart is defined, for the first time or anew. */
  defined(chart: SeededChart): void;
  retired(id: string): void;
  /** An iteration was committed. @param values raw; undefined = left out. */
  collected(chart: SeededChart, values: readonly (number | bigint | undefined)[]): void;
}

/** One chart as it is collected now. */
class CollectedChart {
  private readonly course: ChartCourse;
  private readonly seed: number;
  private readonly charts: Charts;
  private readonly events: CollectorEvents;
  private chart: SeededChart | null = null;
  private handle: Chart | null = null;
  private dimensions: readonly Dimension[] = [];
  private values: (number | bigint | undefined)[] = [];

  constructor(course: ChartCourse, seed: number, charts: Charts, events: CollectorEvents) {
    this.course = course;
    this.seed = seed;
    this.charts = charts;
    this.events = events;
  }

  collect(second: number, nowUs: number): void {
    const { course, events, values } = this;
    const wanted = course.phases.findLast(({ fromSec }) => fromSec <= second)!.chart;
    if (wanted !== this.chart) this.change(wanted);
    const { chart, handle } = this;
    if (chart === null || handle === null) return;
    if (second % chart.updateEverySec !== 0 || !course.isCollected(second)) return;
    chart.dimensions.forEach(({ holesPerMille, valueAt }, i) => {
      const isHole = holesPerMille > 0 && mix(this.seed + 7, i, second) % 1000 < holesPerMille;
      values[i] = isHole ? undefined : valueAt(second);
      setValue(this.dimensions[i]!, values[i]);
    });
    handle.commit(nowUs);
    events.collected(chart, values);
  }

  private change(chart: SeededChart | null): void {
    this.chart = chart;
    if (chart === null) {
      this.handle?.retire();
      this.events.retired(this.course.id);
      return;
    }
    const { id, updateEverySec, dimensions } = chart;
    const meta = { title: id, units: "things", family: "sim", priority: 1000, module: "seeded" };
    const handle = this.charts.line(id, meta, updateEverySec);
    this.handle = handle;
    this.dimensions = dimensions.map((each) =>
      handle.dimension(each.id, each.algorithm, each.multiplier, each.divisor),
    );
    this.values = new Array(dimensions.length);
    this.events.defined(chart);
  }
}

/** @param secondOf seconds since the world began, of now. */
export function createSeededCollector(
  seed: number,
  courses: readonly ChartCourse[],
  secondOf: () => number,
  events: CollectorEvents,
): CollectorModule {
  return {
    name: "seeded",
    everySecMin: 1,
    start({ charts }): Collector {
      const collected = courses.map((course) => new CollectedChart(course, seed, charts, events));
      return {
        collect(nowUs) {
          const second = secondOf();
          for (const each of collected) each.collect(second, nowUs);
        },
        [Symbol.dispose]() {},
      };
    },
  };
}

function setValue(dimension: Dimension, value: number | bigint | undefined): void {
  if (typeof value === "bigint") dimension.setBig(value);
  else if (value !== undefined) dimension.set(value);
}
