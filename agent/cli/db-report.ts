import type { DatabaseStat, FilesState, StoredHostStat } from "../app/stat-database.ts";
import type { VerifyFinding, VerifySummary } from "../app/verify-database.ts";
import { counted } from "../base/counted.ts";
import { isoLocal } from "./moment.ts";
import { renderTable } from "./table.ts";

const MIB = 2 ** 20;

const STATES: Readonly<Record<FilesState, string>> = {
  in_use: "in use",
  closed: "closed in order",
  killed: "killed, this boot",
  power_cut: "not closed, earlier boot",
  unusable: "unusable",
};

/** What a state of {@link STATES} means for the data, where that is not plain. */
const MEANINGS: Partial<Record<FilesState, string>> = {
  killed: "killed, this boot: the agent ended without closing its files; everything it stored is in them",
  power_cut:
    "not closed, earlier boot: the machine went down first; the newest one to three blocks of 64 slots are given up",
  unusable: 'unusable: "tributary db verify" says why',
};

/** What `tributary db stat` shows people. */
export function renderStat({ directory, holderPid, hosts }: DatabaseStat): string {
  const use = holderPid === null ? "no agent uses it" : `in use by the agent with pid ${holderPid}`;
  const parts = [`${directory}, ${use}\n`, renderHosts(hosts), renderFiles(hosts)];
  const closing = [
    totals(hosts),
    ...new Set(hosts.flatMap(({ state }) => MEANINGS[state] ?? [])),
    ...hosts.flatMap((host) => (host.problem === "" ? [] : `${nameOf(host)}: ${host.problem}`)),
    ...hosts.flatMap((host) => host.setAside.map((name) => `set aside: ${directory}/${host.machineGuid}/${name}`)),
  ];
  return `${[...parts, ...closing.slice(0, 1)].join("\n")}\n${closing
    .slice(1)
    .map((line) => `${line}\n`)
    .join("")}`;
}

/** What programs get of it. */
export function statJson({ directory, holderPid, hosts }: DatabaseStat): string {
  const report = {
    directory,
    pid: holderPid,
    hosts: hosts.map((host) => ({
      guid: host.machineGuid,
      hostname: host.hostname,
      mode: host.memoryMode,
      update_every: host.updateEverySec,
      history: host.historyEntries,
      charts: host.charts,
      dimensions: host.dimensions,
      segments: host.segments,
      bytes: host.diskBytes,
      columns: host.columns,
      columns_used: host.columnsUsed,
      oldest: host.oldestSec,
      newest: host.newestSec,
      state: host.state,
      problem: host.problem,
      set_aside: host.setAside,
    })),
  };
  return `${JSON.stringify(report, null, 2)}\n`;
}

/** A line of `tributary db verify`. */
export function renderFinding({ kind, file, what, cost }: VerifyFinding): string {
  return `${kind}: ${file}: ${what}; costs: ${cost}\n`;
}

/** The last line of `tributary db verify`. */
export function renderSummary({ hosts, segments, blocks, problems }: VerifySummary): string {
  const counts = [counted(hosts, "host"), counted(segments, "segment"), `${counted(blocks, "sealed block")} checked`];
  return `${[...counts, counted(problems, "problem")].join(", ")}\n`;
}

function renderHosts(hosts: readonly StoredHostStat[]): string {
  const head = ["HOST", "GUID", "MODE", "EVERY", "HISTORY", "CHARTS", "DIMENSIONS", "STATE"];
  const rows = hosts.map((host) => [
    nameOf(host),
    host.machineGuid,
    host.memoryMode || "-",
    `${host.updateEverySec} s`,
    host.historyEntries,
    host.charts,
    host.dimensions,
    host.state === "closed" && host.memoryMode === "save" ? "saved" : STATES[host.state],
  ]);
  return renderTable([head, ...rows]);
}

function renderFiles(hosts: readonly StoredHostStat[]): string {
  const head = ["FILES OF", "SEGMENTS", "MiB", "USED", "OLDEST", "NEWEST", "SET ASIDE"];
  const rows = hosts.map((host) => [
    nameOf(host),
    host.segments,
    mebibytes(host.diskBytes),
    share(host.columnsUsed, host.columns),
    timeText(host.oldestSec),
    timeText(host.newestSec),
    host.setAside.length,
  ]);
  return renderTable([head, ...rows]);
}

function totals(hosts: readonly StoredHostStat[]): string {
  const sum = (of: (host: StoredHostStat) => number) => hosts.reduce((total, host) => total + of(host), 0);
  const parts = [
    counted(hosts.length, "host"),
    counted(
      sum(({ charts }) => charts),
      "chart",
    ),
    counted(
      sum(({ dimensions }) => dimensions),
      "dimension",
    ),
    counted(
      sum(({ segments }) => segments),
      "segment",
    ),
    `${mebibytes(sum(({ diskBytes }) => diskBytes))} MiB`,
    `${share(
      sum(({ columnsUsed }) => columnsUsed),
      sum(({ columns }) => columns),
    )} of the columns used`,
  ];
  return parts.join(", ");
}

/** The hostname, or the GUID of a host whose catalogue cannot be read. */
function nameOf({ hostname, machineGuid }: StoredHostStat): string {
  return hostname === "" ? machineGuid : hostname;
}

function timeText(timeSec: number): string {
  return timeSec === 0 ? "-" : isoLocal(timeSec);
}

/** With one decimal. */
function mebibytes(bytes: number): number {
  return Math.round((10 * bytes) / MIB) / 10;
}

function share(part: number, whole: number): string {
  return whole === 0 ? "-" : `${Math.round((100 * part) / whole)} %`;
}
