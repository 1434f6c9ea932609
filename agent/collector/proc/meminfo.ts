import { lineEnd } from "../../base/fields.ts";
import { KeyedLines } from "../../base/keyed-lines.ts";
import type { ProcFile } from "../../base/proc-file.ts";
import { formatError } from "../../base/source-error.ts";
import type { ChartMeta, CollectorContext, CollectorModule } from "../collector.ts";
import { absolute, type ChartSpec, type DimensionSpec, LazyChart } from "../lazy-chart.ts";

const KEYS = [
  "MemTotal",
  "MemFree",
  "MemAvailable",
  "Buffers",
  "Cached",
  "SwapTotal",
  "SwapFree",
  "Dirty",
  "Writeback",
  "Shmem",
  "Slab",
  "SReclaimable",
  "SUnreclaim",
  "KernelStack",
  "PageTables",
  "NFS_Unstable",
  "Bounce",
  "WritebackTmp",
  "Committed_AS",
  "VmallocUsed",
  "Percpu",
  "HardwareCorrupted",
  "AnonHugePages",
  "ShmemHugePages",
  "HugePages_Total",
  "HugePages_Free",
  "HugePages_Rsvd",
  "HugePages_Surp",
  "Hugepagesize",
] as const;

type Key = (typeof KEYS)[number];
const INDEX = Object.fromEntries(KEYS.map((key, index) => [key, index])) as Record<Key, number>;

const MODULE = "/proc/meminfo";
const ARC_PATH = "spl/kstat/zfs/arcstats";
/** KiB of a huge page when the kernel does not say. */
const HUGE_PAGE_KIB = 2048;

/** Memory of the machine from /proc/meminfo, KiB; with ZFS the part of its cache that gives way counts as cached. */
export const meminfo: CollectorModule = {
  name: "meminfo",
  everySecMin: 1,
  start(context) {
    const file = context.files.openProc("meminfo");
    const keys = new KeyedLines(KEYS, ":");
    const arc = openArc(context);
    const ram = new LazyChart(context, RAM);
    const available = new LazyChart(context, AVAILABLE);
    const swap = new LazyChart(context, SWAP);
    const plain = PLAIN.map(({ spec, keys }) => ({
      chart: new LazyChart(context, spec),
      indexes: keys.map((key) => INDEX[key]),
    }));
    let hugePages: LazyChart | undefined;
    return {
      collect(nowUs) {
        const shrinkableKib = arc?.shrinkableKib() ?? 0;
        const length = file.readSome();
        const { bytes } = file;
        keys.load(bytes, length);
        const totalKib = keys.number(INDEX.MemTotal);
        const freeKib = keys.number(INDEX.MemFree);
        if (Number.isNaN(totalKib) || Number.isNaN(freeKib)) {
          throw formatError(file.path, "MemTotal and MemFree", bytes, 0, lineEnd(bytes, 0, length));
        }
        const buffersKib = fieldKib(keys, INDEX.Buffers);
        const cachedKib =
          fieldKib(keys, INDEX.Cached) +
          fieldKib(keys, INDEX.SReclaimable) -
          fieldKib(keys, INDEX.Shmem) +
          shrinkableKib;
        ram.set(0, freeKib);
        ram.set(1, totalKib - freeKib - cachedKib - buffersKib);
        ram.set(2, cachedKib);
        ram.set(3, buffersKib);
        ram.commit(nowUs);
        if (keys.has(INDEX.MemAvailable)) available.set(0, keys.number(INDEX.MemAvailable) + shrinkableKib);
        available.commit(nowUs);
        swap.set(0, keys.number(INDEX.SwapFree));
        swap.set(1, keys.number(INDEX.SwapTotal) - keys.number(INDEX.SwapFree));
        swap.commit(nowUs);
        for (let i = 0; i < plain.length; i++) {
          const { chart, indexes } = plain[i]!;
          for (let j = 0; j < indexes.length; j++) chart.set(j, fieldKib(keys, indexes[j]!));
          chart.commit(nowUs);
        }
        if (!keys.has(INDEX.HugePages_Total)) return;
        hugePages ??= new LazyChart(context, hugePagesSpec(keys.number(INDEX.Hugepagesize)));
        setHugePages(hugePages, keys);
        hugePages.commit(nowUs);
      },
      [Symbol.dispose]() {
        file[Symbol.dispose]();
        arc?.dispose();
      },
    };
  },
};

function setHugePages(chart: LazyChart, keys: KeyedLines): void {
  const free = keys.number(INDEX.HugePages_Free);
  const reserved = keys.number(INDEX.HugePages_Rsvd);
  chart.set(0, free);
  chart.set(1, keys.number(INDEX.HugePages_Total) - free - reserved);
  chart.set(2, keys.number(INDEX.HugePages_Surp));
  chart.set(3, reserved);
}

interface ArcCache {
  /** What ZFS gives back under pressure: size above its lower limit, KiB. 0 when it cannot be read. */
  shrinkableKib(): number;
  dispose(): void;
}

/** ZFS keeps its cache outside the page cache; undefined without ZFS. */
function openArc({ files }: CollectorContext): ArcCache | undefined {
  if (!files.exists(`/proc/${ARC_PATH}`)) return undefined;
  let file: ProcFile | undefined;
  const keys = new KeyedLines(["size", "c_min"], " ");
  return {
    shrinkableKib() {
      try {
        file ??= files.openProc(ARC_PATH);
        keys.load(file.bytes, file.read());
      } catch {
        return 0; // the module was unloaded: there is no cache
      }
      // Lines of arcstats are `name type value`.
      const shrinkableKib = Math.floor((keys.number(0, 1) - keys.number(1, 1)) / 1024);
      return Math.max(0, shrinkableKib) || 0; // also when one of the two lines is missing
    },
    dispose: () => file?.[Symbol.dispose](),
  };
}

/** A field this kernel does not have is 0; one that is no number is NaN, which is a gap. */
function fieldKib(keys: KeyedLines, index: number): number {
  return keys.has(index) ? keys.number(index) : 0;
}

function kib(id: string, name?: string): DimensionSpec {
  return absolute(id, 1, 1024, name === undefined ? undefined : { name });
}

function meta(title: string, family: string, priority: number, detail = true): ChartMeta {
  return { title, units: "MiB", family, priority, module: MODULE, detail };
}

const RAM: ChartSpec = {
  id: "system.ram",
  type: "stacked",
  rule: "always",
  meta: meta("System RAM", "ram", 200, false),
  dimensions: [kib("free"), kib("used"), kib("cached"), kib("buffers")],
};

const AVAILABLE: ChartSpec = {
  id: "mem.available",
  type: "area",
  rule: "always",
  meta: meta("Available RAM for applications", "system", 1010, false),
  dimensions: [kib("MemAvailable", "avail")],
};

const SWAP: ChartSpec = {
  id: "system.swap",
  type: "stacked",
  rule: "auto",
  meta: meta("System Swap", "swap", 201),
  dimensions: [kib("free"), kib("used")],
};

/** Charts whose dimensions are fields as they are. */
const PLAIN: readonly { spec: ChartSpec; keys: readonly Key[] }[] = [
  {
    keys: ["Committed_AS"],
    spec: {
      id: "mem.committed",
      type: "area",
      rule: "always",
      meta: meta("Committed (Allocated) Memory", "system", 1030),
      dimensions: [kib("Committed_AS")],
    },
  },
  {
    keys: ["Dirty", "Writeback", "WritebackTmp", "NFS_Unstable", "Bounce"],
    spec: {
      id: "mem.writeback",
      type: "line",
      rule: "always",
      meta: meta("Writeback Memory", "kernel", 1100),
      dimensions: [kib("Dirty"), kib("Writeback"), kib("FuseWriteback"), kib("NfsWriteback"), kib("Bounce")],
    },
  },
  {
    keys: ["Slab", "KernelStack", "PageTables", "VmallocUsed", "Percpu"],
    spec: {
      id: "mem.kernel",
      type: "stacked",
      rule: "always",
      meta: meta("Memory Used by Kernel", "kernel", 1101),
      dimensions: [kib("Slab"), kib("KernelStack"), kib("PageTables"), kib("VmallocUsed"), kib("Percpu")],
    },
  },
  {
    keys: ["SReclaimable", "SUnreclaim"],
    spec: {
      id: "mem.slab",
      type: "stacked",
      rule: "always",
      meta: meta("Reclaimable Kernel Memory", "slab", 1200),
      dimensions: [kib("reclaimable"), kib("unreclaimable")],
    },
  },
  {
    keys: ["AnonHugePages", "ShmemHugePages"],
    spec: {
      id: "mem.transparent_hugepages",
      type: "stacked",
      rule: "auto",
      meta: meta("Transparent HugePages Memory", "hugepages", 1250),
      dimensions: [kib("anonymous"), kib("shmem")],
    },
  },
  {
    keys: ["HardwareCorrupted"],
    spec: {
      id: "mem.hwcorrupt",
      type: "line",
      rule: "auto",
      meta: meta("Corrupted Memory, detected by ECC", "ecc", 1500),
      dimensions: [kib("HardwareCorrupted")],
    },
  },
];

/** @param pageKib size of a huge page; a boot parameter, so it never changes. */
function hugePagesSpec(pageKib: number): ChartSpec {
  const multiplier = pageKib > 0 ? pageKib : HUGE_PAGE_KIB;
  return {
    id: "mem.hugepages",
    type: "stacked",
    rule: "auto",
    meta: meta("Dedicated HugePages Memory", "hugepages", 1251),
    dimensions: ["free", "used", "surplus", "reserved"].map((id) => absolute(id, multiplier, 1024)),
  };
}
