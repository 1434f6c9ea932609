import { counted } from "../base/counted.ts";
import type { HostReader } from "../rrd/store/host-reader.ts";
import { DatabaseFiles, type InspectWorld } from "./database-files.ts";

/**
 * How a host's files were left: `in_use` by a running agent · `closed` in order · `killed` since the machine was
 * started: nothing is lost · `power_cut`: not closed before the machine was started anew, the newest blocks are given
 * up · `unusable`: no catalogue.
 */
export type FilesState = "in_use" | "closed" | "killed" | "power_cut" | "unusable";

/** What the files of one host hold. */
export interface StoredHostStat {
  readonly machineGuid: string;
  /** Empty when the catalogue cannot be read; so are `memoryMode` and the zeros below. */
  readonly hostname: string;
  readonly memoryMode: string;
  readonly updateEverySec: number;
  readonly historyEntries: number;
  readonly charts: number;
  readonly dimensions: number;
  /** Segment files, those that cannot be read included. */
  readonly segments: number;
  readonly diskBytes: number;
  /** Columns of all segments that can be read, and those of them that hold a dimension. */
  readonly columns: number;
  readonly columnsUsed: number;
  /** First and last second with a slot of any chart; 0 = none. */
  readonly oldestSec: number;
  readonly newestSec: number;
  readonly state: FilesState;
  /** Why the catalogue or segments cannot be used; empty = nothing is amiss. */
  readonly problem: string;
  /** Names of files that were set aside. */
  readonly setAside: readonly string[];
}

/** What a database on the disk holds. */
export interface DatabaseStat {
  /** `<state>/db`. */
  readonly directory: string;
  /** Process number of the agent that uses it; null = none does. */
  readonly holderPid: number | null;
  readonly hosts: readonly StoredHostStat[];
}

/**
 * Sums up a database; reads headers and catalogues alone, and a block here and there.
 * @param directory absolute: a state directory, its `db`, or a host's directory. @throws as {@link DatabaseFiles} does.
 */
export function statDatabase(directory: string, world: InspectWorld): DatabaseStat {
  const database = new DatabaseFiles(directory, world);
  const { holderPid } = database;
  const hosts = [...database.hosts()].map((host) => statHost(host, holderPid));
  return { directory: database.directory, holderPid, hosts };
}

function statHost(reader: HostReader, holderPid: number | null): StoredHostStat {
  const { host, machineGuid, segmentNumbers, setAside } = reader;
  let columns = 0;
  let columnsUsed = 0;
  let readable = 0;
  let isClosed = true;
  let isWhole = true;
  let oldestSec = 0;
  let newestSec = 0;
  const times = reader.chartTimes((segment, number) => {
    readable++;
    columns += segment.columns;
    for (const { indexes } of reader.partsIn(number)) columnsUsed += indexes.length;
    isClosed &&= segment.state.use !== "in_use";
    isWhole &&= segment.isWhole;
  });
  for (const { firstSec, lastSec } of times.values()) {
    oldestSec = oldestSec === 0 ? firstSec : Math.min(oldestSec, firstSec);
    newestSec = Math.max(newestSec, lastSec);
  }
  const unreadable = segmentNumbers.length - readable;
  const missing = [...reader.wanted.keys()].filter((number) => !segmentNumbers.includes(number)).length;
  let problem = reader.problem === "" ? "" : `catalogue: ${reader.problem}`;
  const unusable = unreadable + missing;
  if (problem === "" && unusable > 0) problem = `${counted(unusable, "segment")} cannot be used`;
  let state: FilesState = isClosed ? "closed" : isWhole ? "killed" : "power_cut";
  if (host === null) state = "unusable";
  else if (holderPid !== null) state = "in_use";
  return {
    machineGuid,
    hostname: host?.hostname ?? "",
    memoryMode: host?.memoryMode ?? "",
    updateEverySec: host?.updateEverySec ?? 0,
    historyEntries: host?.historyEntries ?? 0,
    charts: reader.charts.length,
    dimensions: reader.charts.reduce((sum, chart) => sum + chart.dimensions.length, 0),
    segments: segmentNumbers.length,
    diskBytes: reader.diskBytes,
    columns,
    columnsUsed,
    oldestSec,
    newestSec,
    state,
    problem,
    setAside,
  };
}
