import { lineEnd, splitFields } from "../../base/fields.ts";
import { parseDecimal } from "../../base/number.ts";
import { formatError } from "../../base/source-error.ts";
import type { CollectorModule } from "../collector.ts";
import { absolute, LazyChart } from "../lazy-chart.ts";

/** The kernel refreshes its averages every 5 s, whatever the agent's interval is. */
const LOAD_EVERY_SEC = 5;
const SLASH = 0x2f;
const MODULE = "/proc/loadavg";

/** `system.load` (three averages × 1000, every 5 s) and `system.active_processes` from /proc/loadavg. */
export const loadavg: CollectorModule = {
  name: "loadavg",
  everySecMin: 1,
  start({ charts, updateEverySec, files, settings }) {
    const file = files.openProc("loadavg");
    const loadEverySec = Math.max(LOAD_EVERY_SEC, updateEverySec);
    const load = new LazyChart({ charts, settings, updateEverySec: loadEverySec }, LOAD);
    const processes = new LazyChart({ charts, settings, updateEverySec }, PROCESSES);
    const pidMax = Number(files.readLine("/proc/sys/kernel/pid_max") ?? Number.NaN);
    const spans = new Int32Array(2 * 4);
    let loadPeriod = -1;
    return {
      collect(nowUs) {
        const length = file.readSome();
        const { bytes } = file;
        const end = lineEnd(bytes, 0, length);
        const count = splitFields(bytes, 0, end, spans);
        const slash = count < 4 ? -1 : bytes.indexOf(SLASH, spans[6]!);
        if (slash < 0 || slash >= spans[7]!) throw formatError(file.path, "four words", bytes, 0, end);
        const period = Math.floor(nowUs / (loadEverySec * 1e6));
        if (period !== loadPeriod) {
          loadPeriod = period;
          for (let i = 0; i < 3; i++) load.set(i, parseDecimal(bytes, spans[2 * i]!, spans[2 * i + 1]!, 3));
          load.commit(nowUs);
        }
        if (!processes.setText(0, bytes, slash + 1, spans[7]!)) {
          throw formatError(file.path, "a count of processes", bytes, 0, end);
        }
        const isNew = !processes.exists;
        processes.commit(nowUs);
        if (isNew && pidMax > 0) processes.variable("pidmax", pidMax);
      },
      [Symbol.dispose]: () => file[Symbol.dispose](),
    };
  },
};

const LOAD = {
  id: "system.load",
  type: "line",
  rule: "always",
  meta: { title: "System Load Average", units: "load", family: "load", priority: 100, module: MODULE },
  dimensions: [absolute("load1", 1, 1000), absolute("load5", 1, 1000), absolute("load15", 1, 1000)],
} as const;

const PROCESSES = {
  id: "system.active_processes",
  type: "line",
  rule: "always",
  meta: {
    title: "System Active Processes",
    units: "processes",
    family: "processes",
    priority: 750,
    module: MODULE,
  },
  dimensions: [absolute("active")],
} as const;
