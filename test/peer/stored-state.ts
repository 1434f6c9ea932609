import { join } from "node:path";
import { createFiles } from "../../agent/base/files.ts";
import { createProcessFacts } from "../../agent/base/process-facts.ts";
import type { Chart } from "../../agent/rrd/chart.ts";
import { commitStreamed } from "../../agent/rrd/commit.ts";
import { Database } from "../../agent/rrd/database.ts";
import { Storage } from "../../agent/rrd/store/storage.ts";
import { ValueRow } from "../../agent/rrd/value-row.ts";
import { dimension, WIDE_LIMITS } from "../simulated-host.ts";
import { type KnownChart, knownValue } from "./known-child.ts";

/** What a state directory is to hold: a child that was connected for some time, until now. */
export interface StoredState {
  readonly mode: "save" | "map";
  readonly history: number;
  readonly guid: string;
  readonly hostname: string;
  readonly charts: readonly KnownChart[];
  readonly seconds: number;
}

/**
 * Makes a state directory as an agent leaves it that ran for minutes and ended in order, without the minutes.
 * @returns the first and the last second that it holds.
 */
export async function storeKnown(folder: string, state: StoredState): Promise<[number, number]> {
  const endSec = Math.floor(Date.now() / 1000) - 1;
  let nowSec = endSec - state.seconds;
  const database = new Database(WIDE_LIMITS, () => {});
  const refuse = (what: string) => {
    throw new Error(`a new state directory is not as it should be: ${what}`);
  };
  await using storage = new Storage({
    directory: join(folder, "db"),
    files: createFiles(),
    database,
    diskLimitBytes: 0,
    flushEverySec: 0,
    saveEverySec: 0,
    processes: createProcessFacts(),
    nowSec: () => nowSec,
    events: {
      setAside: refuse,
      leftOut: refuse,
      degraded: refuse,
      recovered: refuse,
      unsaved: refuse,
      corrupt: refuse,
    },
  });
  const host = database.addHost({
    machineGuid: state.guid,
    hostname: state.hostname,
    os: "linux",
    updateEverySec: 1,
    historyEntries: state.history,
    memoryMode: state.mode,
    gapIterations: 3,
    isLocal: false,
  })!;
  const charts = state.charts.map(({ id, dimensions, code }) => {
    const chart = host.defineChart({ id })!;
    for (let index = 0; index < dimensions; index++) host.defineDimension(chart, dimension(`d${index}`));
    return { chart, code };
  });
  while (nowSec < endSec) {
    nowSec++;
    for (const { chart, code } of charts) commitKnown(chart, code, nowSec);
    storage.tick();
  }
  // Of the first second only the bases of the next are kept.
  return [endSec - state.seconds + 2, endSec];
}

function commitKnown(chart: Chart, code: number, second: number): void {
  const row = new ValueRow();
  row.reserve(chart.dimensions.count);
  for (let index = 0; index < chart.dimensions.count; index++) row.set(index, knownValue(code + index, second));
  commitStreamed(chart, row, chart.lastCollectedUs === 0 ? 0 : 1e6, second * 1e6 + 500_000);
}
