import { hostname, totalmem } from "node:os";
import type { Clock } from "../base/clock.ts";
import { createHostFiles, type HostFiles } from "../base/proc-file.ts";
import { createProcessFacts, type ProcessFacts } from "../base/process-facts.ts";
import { createTcpQueues, type TcpQueues } from "../base/tcp-queues.ts";
import type { ProcessUsage } from "../collector/agent-sources.ts";
import { createProcessUsage } from "../collector/process-usage.ts";
import { readOpenFileLimit } from "../door/open-files.ts";
import type { SystemInfo } from "../rrd/host-options.ts";
import { readSystemInfo, readTimezone, type Timezone } from "./system-info.ts";

/** What an agent asks of the machine it runs on, beside time, sockets and the files it keeps. */
export interface Machine {
  readonly hostname: string;
  readonly memoryBytes: number;
  /** Most files that this process may have open; Infinity = that is not known. */
  readonly openFilesMax: number;
  readonly processes: ProcessFacts;
  readonly tcpQueues: TcpQueues;
  /** CPU time of the calling thread so far. */
  readonly threadCpu: () => { user: number; system: number };
  /** @param prefix where the root of the host under observation is seen; `""` = here. */
  systemInfo(prefix: string): SystemInfo;
  timezone(nowUs: number): Timezone;
  /** `/proc` and `/sys`. @param prefix as {@link systemInfo}. */
  hostFiles(prefix: string): HostFiles;
  /** Measures this process from now on. */
  processUsage(clock: Clock): () => ProcessUsage;
}

/** The one this process runs on. */
export function systemMachine(): Machine {
  return {
    hostname: hostname(),
    memoryBytes: totalmem(),
    openFilesMax: readOpenFileLimit(),
    processes: createProcessFacts(),
    tcpQueues: createTcpQueues("/proc/net"),
    threadCpu: () => process.threadCpuUsage(),
    systemInfo: readSystemInfo,
    timezone: (nowUs) => readTimezone(new Date(nowUs / 1000)),
    hostFiles: (prefix) => createHostFiles(prefix),
    processUsage: createProcessUsage,
  };
}
