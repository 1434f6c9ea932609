import { exactValue } from "../agent/rrd/collected-row.ts";
import type { DecodedRow } from "../agent/wire/decoded-row.ts";
import type {
  ChartLine,
  DimensionLine,
  DimensionState,
  FinalRow,
  Label,
  LineProblem,
  ReplayEnd,
  ReplayRow,
  StreamHandler,
} from "../agent/wire/stream-handler.ts";
import { rawProblems } from "./strict-reader.ts";

/** A chart as a receiver without a database would keep it. */
export interface RecordedChart {
  id: string;
  dimensions: string[];
}

/** Most charts and dimensions the recorder takes: limits belong to what a decoder has to live with. */
export const RECORDER_CHARTS_MAX = 8;
export const RECORDER_DIMENSIONS_MAX = 40;

/** Charts of all recorders with equal dimensions have one shape, as those of all connections have. */
const SHAPES = new Map<string, object>();

/** Writes down every call a decoder makes, as one line of text each. */
export class StreamRecorder implements StreamHandler<RecordedChart> {
  readonly calls: string[] = [];
  /** What is wrong with the raw blocks that were offered. */
  readonly rawFaults: string[] = [];
  rawBlocks = 0;
  private readonly charts = new Map<string, RecordedChart>();
  private readonly chartsMax: number;

  constructor(chartsMax = RECORDER_CHARTS_MAX) {
    this.chartsMax = chartsMax;
  }

  defineChart(line: ChartLine): RecordedChart | null {
    this.calls.push(`chart ${JSON.stringify(line)}`);
    const known = this.charts.get(line.id);
    if (known !== undefined) return known;
    if (this.charts.size >= this.chartsMax) return null;
    const chart = { id: line.id, dimensions: [] };
    this.charts.set(line.id, chart);
    return chart;
  }

  defineDimension(chart: RecordedChart, line: DimensionLine): number {
    this.calls.push(`dimension ${chart.id} ${JSON.stringify(line)}`);
    const known = chart.dimensions.indexOf(line.id);
    if (known >= 0) return known;
    if (chart.dimensions.length >= RECORDER_DIMENSIONS_MAX) return -1;
    return chart.dimensions.push(line.id) - 1;
  }

  findChart(id: string): RecordedChart | null {
    return this.charts.get(id) ?? null;
  }

  dimensionCount(chart: RecordedChart): number {
    return chart.dimensions.length;
  }

  shape(chart: RecordedChart): object {
    const key = JSON.stringify(chart.dimensions);
    const known = SHAPES.get(key);
    if (known !== undefined) return known;
    const made = {};
    SHAPES.set(key, made);
    return made;
  }

  dimensionIndex(chart: RecordedChart, id: string): number {
    return chart.dimensions.indexOf(id);
  }

  commit(chart: RecordedChart, row: DecodedRow, givenUs: number, nowUs: number): void {
    const values = new Map<number, bigint>();
    const texts: string[] = [];
    let total = 0;
    chart.dimensions.forEach((_, index) => {
      const sets = row.complete ? 1 : row.sets[index]!;
      if (sets === 0) return;
      total += sets;
      values.set(index, exactValue(row, index));
      // Object.is tells −0 from 0: both would be stored, as different bytes.
      texts.push(`${index}=${Object.is(row.values[index], -0) ? "-0" : exactValue(row, index)}x${sets}`);
    });
    if (total !== row.setCount) texts.push(`setCount ${row.setCount}`);
    const isWide = [...values.keys()].some((index) => Math.abs(row.values[index]!) >= 2 ** 53);
    // A wide value that a later SET replaced may leave the mark behind; the other way values would be wrong.
    if (isWide && !row.wide) texts.push("not marked as wide");
    this.calls.push(`commit ${chart.id} ${givenUs} ${nowUs} ${texts.join(" ")}`);
    if (row.raw === null) return;
    this.rawBlocks++;
    const raw = Buffer.from(row.raw.subarray(row.rawStart, row.rawEnd));
    this.rawFaults.push(...rawProblems(raw, chart.dimensions, values));
  }

  setVariable(chart: RecordedChart | null, name: string, value: number): void {
    this.calls.push(`variable ${chart === null ? "host" : chart.id} ${name} ${value}`);
  }

  setLabels(labels: readonly Label[]): void {
    this.calls.push(`labels ${JSON.stringify(labels)}`);
  }

  setChartLabels(chart: RecordedChart, labels: readonly Label[]): void {
    this.calls.push(`labels ${chart.id} ${JSON.stringify(labels)}`);
  }

  definitionEnd(chart: RecordedChart, firstSec: number, lastSec: number, senderNowSec: number): void {
    this.calls.push(`defined ${chart.id} ${firstSec} ${lastSec} ${senderNowSec}`);
  }

  replay(chart: RecordedChart, row: ReplayRow, nowUs: number): void {
    const { startSec, endSec, senderNowSec, isReset, setCount } = row;
    const head = `replay ${chart.id} ${startSec} ${endSec} ${senderNowSec} ${isReset} ${setCount} ${nowUs}`;
    this.calls.push(`${head} ${this.finalTexts(chart, row)}`);
  }

  dimensionState(chart: RecordedChart, dimension: number, state: DimensionState): void {
    const { collectedUs, collected, rest, calculated, stored, collections, isWide } = state;
    const texts = [collectedUs, BigInt(collected) + BigInt(rest), numberText(calculated), numberText(stored)];
    this.calls.push(`state ${chart.id} ${dimension} ${texts.join(" ")} ${collections} ${isWide}`);
  }

  chartState(chart: RecordedChart, collectedUs: number, updatedUs: number): void {
    this.calls.push(`state ${chart.id} ${collectedUs} ${updatedUs}`);
  }

  replayEnd(chart: RecordedChart, end: ReplayEnd, nowUs: number): void {
    this.calls.push(`replayed ${chart.id} ${JSON.stringify(end)} ${nowUs}`);
  }

  commitFinal(chart: RecordedChart, row: FinalRow, nowUs: number): void {
    const { endSec, updateEverySec, senderNowSec, isReset, setCount, collected } = row;
    const head = `final ${chart.id} ${updateEverySec} ${endSec} ${senderNowSec} ${isReset} ${setCount} ${nowUs}`;
    this.calls.push(`${head} ${this.finalTexts(chart, row, collected)}`);
  }

  extension(words: readonly string[]): void {
    this.calls.push(`extension ${JSON.stringify(words)}`);
  }

  isGone(): boolean {
    return false;
  }

  private finalTexts(chart: RecordedChart, row: ReplayRow | FinalRow, collected?: Float64Array): string {
    const texts = chart.dimensions.map((_, index) => {
      if (row.sets[index]! === 0) return "";
      const raw = collected === undefined ? "" : `(${numberText(collected[index]!)})`;
      return ` ${index}=${numberText(row.values[index]!)}${raw}x${row.sets[index]}`;
    });
    return texts.join("");
  }

  problem(kind: LineProblem, line: Uint8Array, isValue: boolean): void {
    this.calls.push(`problem ${kind} ${isValue} ${Buffer.from(line).toString("latin1")}`);
  }

  abandoned(setCount: number): void {
    this.calls.push(`abandoned ${setCount}`);
  }

  disable(): void {
    this.calls.push("disable");
  }
}

/** Tells −0 from 0. */
export function numberText(value: number): string {
  return Object.is(value, -0) ? "-0" : String(value);
}
