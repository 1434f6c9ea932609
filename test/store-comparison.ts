import type { Chart } from "../agent/rrd/chart.ts";
import type { Host } from "../agent/rrd/host.ts";
import { readStored } from "../agent/rrd/read.ts";
import { ringSlots } from "../agent/rrd/store/geometry.ts";
import { T0_SEC } from "./simulated-host.ts";
import type { StoreLapses } from "./store-lapses.ts";
import { alignSec, type ModelEntry } from "./store-model.ts";

/** Compares what a reader can see of a host's charts with what the model says. */
export class StoreComparison {
  /** Values read and compared so far, empty ones left out. */
  compared = 0;
  private readonly host: Host;
  private readonly lapses: StoreLapses;
  private readonly nowUs: number;

  constructor(host: Host, lapses: StoreLapses, nowUs: number) {
    this.host = host;
    this.lapses = lapses;
    this.nowUs = nowUs;
  }

  compareChart(id: string, entry: ModelEntry): void {
    const chart = this.host.chart(id);
    if (chart === undefined) throw new Error(`chart ${id} is missing`);
    if (chart.isObsolete !== entry.isObsolete) throw new Error(`chart ${id}: obsolete is ${chart.isObsolete}`);
    if (chart.definition.name !== entry.name) throw new Error(`chart ${id}: name ${chart.definition.name}`);
    if (this.host.ring === null) this.compareEmpty(chart);
    else this.compareValues(id, entry, chart);
  }

  private compareValues(id: string, entry: ModelEntry, chart: Chart): void {
    const { collection } = entry;
    const stepSec = collection.options.updateEverySec;
    if (chart.definition.updateEverySec !== stepSec) throw new Error(`chart ${id}: update every`);
    const margin = (ringSlots(this.host.historyEntries) + 70) * stepSec;
    const anchor = Math.max(collection.LU / 1e6, alignSec(this.nowUs, stepSec));
    const from = anchor - margin;
    const to = anchor + 10 * stepSec;
    const values = new Float64Array((to - from) / stepSec + 1);
    entry.ids.forEach((dimensionId, position) => {
      const index = chart.dimensions.indexOf(dimensionId);
      if (index < 0) throw new Error(`chart ${id}: dimension ${dimensionId} is missing`);
      const count = readStored(chart, index, from, to, values);
      for (let i = 0; i < count; i++) this.compareValue(id, entry, position, from + i * stepSec, values[i]!);
    });
  }

  private compareValue(id: string, entry: ModelEntry, position: number, second: number, value: number): void {
    const slot = entry.collection.at(second);
    const expected = slot?.values[position] ?? null;
    const at = `${id} ${entry.ids[position]} at ${second - T0_SEC} (now ${this.nowUs / 1e6 - T0_SEC})`;
    if (expected === null) {
      if (!Number.isNaN(value)) throw new Error(`${at}: ${value} was never stored`);
    } else if (Number.isNaN(value)) {
      const mayBeGone = slot!.mayBeGone || second <= this.lapses.lapsedSec(entry);
      if (!mayBeGone) throw new Error(`${at}: ${expected} is gone`);
      // Gone is gone.
      slot!.values[position] = null;
    } else {
      this.compared++;
      const tolerance = 1e-6 * Math.max(1, Math.abs(expected)) + 1e-12 * (slot!.scales[position] ?? 0);
      if (Math.abs(value - expected) <= tolerance) return;
      throw new Error(`${at}: expected ${expected}, got ${value}`);
    }
  }

  private compareEmpty(chart: Chart): void {
    const out = new Float64Array(10);
    for (let index = 0; index < chart.dimensions.count; index++) {
      const to = Math.floor(this.nowUs / 1e6);
      const count = readStored(chart, index, to - 9, to, out);
      if (out.subarray(0, count).some((value) => !Number.isNaN(value))) throw new Error("mode none keeps a value");
    }
  }
}
