import type { RecordedPoint } from "../capture-points.ts";
import { type HostView, readCharts, readPoints } from "./compare.ts";

/** What became of the points of one sender at one receiver. */
export interface Cell {
  /** What they agreed on, as the receiver's answer says: empty = V1. */
  agreed: string;
  charts: number;
  points: number;
  /** Equal in their second; among agents of our kind in every digit that is printed. */
  exact: number;
  missing: number;
  /** Examples of what is not exact. */
  faults: string[];
}

/** Netdata keeps a point in 32 bits of its own, about four digits of which are sure. */
const NETDATA_PRECISION = 1e-4;
/** Agents print seven decimals. */
const PRINTED_DIFFERENCE = 1.1e-7;
const FAULTS_MAX = 20;

export function emptyCell(agreed: string): Cell {
  return { agreed, charts: 0, points: 0, exact: 0, missing: 0, faults: [] };
}

/**
 * Compares what a sender and a receiver of one host say of the seconds after…before.
 * @param isSameKind both print what they store in the same way.
 */
export async function compareCell(
  cell: Cell,
  [sender, receiver]: readonly [HostView, HostView],
  [after, before]: readonly [number, number],
  isSameKind: boolean,
): Promise<Cell> {
  for (const [id, { update_every: updateEvery }] of await readCharts(sender)) {
    if (updateEvery !== 1) continue;
    cell.charts++;
    const [here, there] = await Promise.all([sender, receiver].map((view) => readPoints(view, id, after, before)));
    for (const [dimension, points] of here!) {
      const others = there!.get(dimension);
      for (const [second, value] of points) {
        if (value !== null) enter(cell, `${id} ${dimension} ${second}`, value, others?.get(second), isSameKind);
      }
    }
  }
  return cell;
}

/** Compares known points with what a receiver says of them. */
export async function compareKnown(cell: Cell, receiver: HostView, known: readonly RecordedPoint[]): Promise<Cell> {
  const charts = new Map<string, RecordedPoint[]>();
  for (const point of known) charts.set(point.chart, [...(charts.get(point.chart) ?? []), point]);
  const names = new Map([...(await readCharts(receiver))].map(([id, { dimensions }]) => [id, dimensions]));
  for (const [chart, points] of charts) {
    cell.charts++;
    const seconds = points.map(({ endSec }) => endSec);
    const there = await readPoints(receiver, chart, Math.min(...seconds), Math.max(...seconds));
    for (const { dimension, endSec, value } of points) {
      const name = names.get(chart)?.[dimension]?.name ?? dimension;
      enter(cell, `${chart} ${dimension} ${endSec}`, value, there.get(name)?.get(endSec), false);
    }
  }
  return cell;
}

function enter(cell: Cell, name: string, value: number, other: number | null | undefined, isSameKind: boolean): void {
  cell.points++;
  if (other === null || other === undefined) cell.missing++;
  else if (isSameKind ? other === value : isNear(value, other)) {
    cell.exact++;
    return;
  }
  if (cell.faults.length < FAULTS_MAX) cell.faults.push(`${name}: ${other}, not ${value}`);
}

function isNear(one: number, other: number): boolean {
  return Math.abs(one - other) <= NETDATA_PRECISION * Math.abs(one) + PRINTED_DIFFERENCE;
}

/** The table as Markdown. @param rows sender → receiver → cell; null = the two do not speak that way. */
export function tableText(columns: readonly string[], rows: ReadonlyMap<string, readonly (Cell | null)[]>): string {
  const texts = [
    ["it sends ↓, it receives →", ...columns],
    ...[...rows].map(([name, cells]) => [name, ...cells.map(cellText)]),
  ];
  const widths = texts[0]!.map((_, column) => Math.max(...texts.map((row) => row[column]!.length)));
  const line = (row: string[]) => `| ${row.map((text, column) => text.padEnd(widths[column]!)).join(" | ")} |\n`;
  const [head, ...others] = texts;
  return line(head!) + line(widths.map((width) => "-".repeat(width))) + others.map(line).join("");
}

function cellText(cell: Cell | null): string {
  if (cell === null) return "–";
  const { agreed, charts, points, exact, missing } = cell;
  const share = points === 0 ? "0" : ((100 * exact) / points).toFixed(exact === points ? 0 : 2);
  return `${agreed || "V1"}: ${charts} charts, ${points} points, ${share} % exact, ${missing} missing`;
}
