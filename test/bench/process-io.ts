import { readFileSync, statSync } from "node:fs";

/** What a process and its disk have done so far; differences of two say what a piece of work cost. */
export interface IoCounts {
  /** Bytes of pages that the process made dirty: each time a clean page is changed, the whole page. */
  dirtiedBytes: number;
  /** Bytes that the disk below a directory was given, by anybody; NaN when the kernel does not count it. */
  diskBytes: number;
  minorFaults: number;
  majorFaults: number;
  cpuMs: number;
}

export function readIo(directory: string): IoCounts {
  const { minorPageFault, majorPageFault, userCPUTime, systemCPUTime } = process.resourceUsage();
  return {
    dirtiedBytes: Number(/^write_bytes: (\d+)/m.exec(readFileSync("/proc/self/io", "latin1"))?.[1] ?? Number.NaN),
    diskBytes: diskBytes(directory),
    minorFaults: minorPageFault,
    majorFaults: majorPageFault,
    cpuMs: (userCPUTime + systemCPUTime) / 1000,
  };
}

export function ioBetween(before: IoCounts, after: IoCounts): IoCounts {
  return {
    dirtiedBytes: after.dirtiedBytes - before.dirtiedBytes,
    diskBytes: after.diskBytes - before.diskBytes,
    minorFaults: after.minorFaults - before.minorFaults,
    majorFaults: after.majorFaults - before.majorFaults,
    cpuMs: after.cpuMs - before.cpuMs,
  };
}

/** Memory of this process, and how many mappings it has. */
export function memoryText(): string {
  const status = readFileSync("/proc/self/status", "latin1");
  const megabytes = (name: string) =>
    (Number(new RegExp(`${name}:\\s*(\\d+)`).exec(status)?.[1] ?? 0) / 1024).toFixed(0);
  const maps = readFileSync("/proc/self/maps", "latin1").split("\n").length - 1;
  return `RSS ${megabytes("VmRSS")} MB (own ${megabytes("RssAnon")}, of files ${megabytes("RssFile")}), ${maps} mappings`;
}

function diskBytes(directory: string): number {
  const { dev } = statSync(directory);
  const [major, minor] = [(dev >>> 8) & 0xfff, (dev & 0xff) | ((dev >>> 12) & 0xfff00)];
  try {
    // Field 7: sectors written, of 512 bytes whatever the disk has.
    const fields = readFileSync(`/sys/dev/block/${major}:${minor}/stat`, "latin1").trim().split(/\s+/);
    return 512 * Number(fields[6]);
  } catch {
    return Number.NaN; // no block device: memory, an overlay, the network
  }
}
