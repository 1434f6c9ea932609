import { lineEnd } from "../../base/fields.ts";
import { KeyedLines } from "../../base/keyed-lines.ts";
import type { HostFiles } from "../../base/proc-file.ts";
import { formatError } from "../../base/source-error.ts";
import type { CollectorModule } from "../collector.ts";
import { type ChartSpec, incremental, LazyChart } from "../lazy-chart.ts";

const MODULE = "/proc/vmstat";
/** Type of the auxiliary vector's entry that holds the page size; entries are pairs of 64-bit words. */
const AT_PAGESZ = 6n;
const AUXV_ENTRY_BYTES = 16;
const PAGE_BYTES_DEFAULT = 4096;

/** Paging, page faults and out-of-memory kills from /proc/vmstat. */
export const vmstat: CollectorModule = {
  name: "vmstat",
  everySecMin: 1,
  start(context) {
    const file = context.files.openProc("vmstat");
    const keys = new KeyedLines(
      ROWS.flatMap((row) => row.keys),
      " ",
    );
    const pageBytes = readPageBytes(context.files);
    let keyCount = 0;
    const rows = ROWS.map(({ spec, keys }) => {
      const first = keyCount;
      keyCount += keys.length;
      return { chart: new LazyChart(context, spec(pageBytes)), first, count: keys.length };
    });
    return {
      collect(nowUs) {
        const length = file.readSome();
        const { bytes } = file;
        keys.load(bytes, length);
        for (const { chart, first, count } of rows) {
          for (let i = 0; i < count; i++) {
            if (!keys.has(first + i)) continue;
            const start = keys.valueStart(first + i);
            if (!chart.setText(i, bytes, start, keys.valueEnd(start))) {
              throw formatError(file.path, "a counter", bytes, start, lineEnd(bytes, start, length));
            }
          }
          chart.commit(nowUs);
        }
      },
      [Symbol.dispose]: () => file[Symbol.dispose](),
    };
  },
};

/** The kernel's page size: 4096, or up to 65536 on arm64. */
function readPageBytes(files: HostFiles): number {
  try {
    using file = files.openProc("self/auxv");
    const length = file.read();
    for (let at = 0; at + AUXV_ENTRY_BYTES <= length; at += AUXV_ENTRY_BYTES) {
      if (file.bytes.readBigUInt64LE(at) === AT_PAGESZ) return Number(file.bytes.readBigUInt64LE(at + 8));
    }
  } catch {
    // A recorded tree has no auxv; nearly all kernels use the default.
  }
  return PAGE_BYTES_DEFAULT;
}

interface Row {
  readonly keys: readonly string[];
  readonly spec: (pageBytes: number) => ChartSpec;
}

const ROWS: readonly Row[] = [
  {
    keys: ["pswpin", "pswpout"],
    spec: (pageBytes) => ({
      id: "system.swapio",
      type: "area",
      rule: "auto",
      meta: { title: "Swap I/O", units: "KiB/s", family: "swap", priority: 250, module: MODULE },
      dimensions: [incremental("in", pageBytes, 1024), incremental("out", -pageBytes, 1024)],
    }),
  },
  {
    keys: ["pgpgin", "pgpgout"],
    spec: () => ({
      id: "system.pgpgio",
      type: "area",
      rule: "always",
      meta: { title: "Memory Paged from/to disk", units: "KiB/s", family: "disk", priority: 151, module: MODULE },
      dimensions: [incremental("in"), incremental("out", -1)],
    }),
  },
  {
    keys: ["pgfault", "pgmajfault"],
    spec: () => ({
      id: "mem.pgfaults",
      type: "line",
      rule: "always",
      meta: {
        title: "Memory Page Faults",
        units: "faults/s",
        family: "system",
        priority: 1040,
        module: MODULE,
        detail: true,
      },
      dimensions: [incremental("minor"), incremental("major", -1)],
    }),
  },
  {
    keys: ["oom_kill"],
    spec: () => ({
      id: "mem.oom_kill",
      type: "line",
      rule: "always",
      meta: {
        title: "Out of Memory Kills",
        units: "kills/s",
        family: "system",
        priority: 1020,
        module: MODULE,
        detail: true,
      },
      dimensions: [incremental("kills")],
    }),
  },
];
