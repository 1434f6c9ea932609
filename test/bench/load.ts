/** A synthetic child: charts of equal shape, half of the dimensions counters, half gauges, all changing every second. */
export interface LoadShape {
  charts: number;
  dimensions: number;
  /** Percentage of SETs left out in turn, as children do that send only what they collected. */
  holes: number;
  /** Every n-th chart is a row of percentages; 0 = none. */
  percentageEvery: number;
}

/** Lines of one synthetic child, second by second. The values are a function of (chart, dimension, second). */
export class ChildLoad {
  private readonly shape: LoadShape;
  private readonly buffer: Buffer;

  constructor(shape: LoadShape) {
    this.shape = shape;
    this.buffer = Buffer.allocUnsafe(shape.charts * (64 + shape.dimensions * 48));
  }

  definitions(): Buffer {
    let text = "";
    for (let chart = 0; chart < this.shape.charts; chart++) {
      text += `CHART "load.chart${chart}" "" "Load" "units" "load" "load.chart" "line" ${chart} 1 "" "load" "bench"\n`;
      for (let dimension = 0; dimension < this.shape.dimensions; dimension++) {
        text += `DIMENSION "dim${dimension}" "" "${this.algorithm(chart, dimension)}" 1 1 ""\n`;
      }
    }
    return Buffer.from(text);
  }

  /** @param first the interval is not known yet. @returns the bytes of this second, valid until the next call. */
  tick(second: number, first: boolean): Buffer {
    const { charts, dimensions, holes } = this.shape;
    let at = 0;
    for (let chart = 0; chart < charts; chart++) {
      at += this.buffer.write(`BEGIN load.chart${chart} ${first ? 0 : 1_000_000}\n`, at, "latin1");
      for (let dimension = 0; dimension < dimensions; dimension++) {
        if (holes > 0 && (chart * 7 + dimension * 13 + second * 31) % 100 < holes) continue;
        at += this.buffer.write(`SET dim${dimension} = ${loadValue(chart, dimension, second)}\n`, at, "latin1");
      }
      at += this.buffer.write("END\n", at, "latin1");
    }
    return this.buffer.subarray(0, at);
  }

  algorithm(chart: number, dimension: number): string {
    const { percentageEvery } = this.shape;
    if (percentageEvery > 0 && chart % percentageEvery === 0) return "percentage-of-incremental-row";
    return dimension % 2 === 0 ? "incremental" : "absolute";
  }
}

/** Even dimensions are rising counters of 7 to 9 digits, odd ones gauges of 5 digits, some negative. */
export function loadValue(chart: number, dimension: number, second: number): number {
  if (dimension % 2 === 0) return 1_000_000 + chart * 1000 + second * (500 + dimension);
  const gauge = 10_000 + ((chart * 31 + dimension * 17 + second * 7) % 60_000);
  return dimension % 16 === 15 ? -gauge : gauge;
}
