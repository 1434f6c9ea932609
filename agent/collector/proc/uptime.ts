import { lineEnd, splitFields } from "../../base/fields.ts";
import { parseDecimal } from "../../base/number.ts";
import { formatError } from "../../base/source-error.ts";
import type { CollectorModule } from "../collector.ts";
import { absolute, LazyChart } from "../lazy-chart.ts";

/** `system.uptime` from /proc/uptime, in ms; suspended time counts. It may go back inside a container. */
export const uptime: CollectorModule = {
  name: "uptime",
  everySecMin: 1,
  start(context) {
    const file = context.files.openProc("uptime");
    const chart = new LazyChart(context, UPTIME);
    const spans = new Int32Array(2);
    return {
      collect(nowUs) {
        const length = file.readSome();
        const { bytes } = file;
        const end = lineEnd(bytes, 0, length);
        const uptimeMs =
          splitFields(bytes, 0, end, spans) === 0 ? Number.NaN : parseDecimal(bytes, spans[0]!, spans[1]!, 3);
        if (Number.isNaN(uptimeMs)) throw formatError(file.path, "seconds", bytes, 0, end);
        chart.set(0, uptimeMs);
        chart.commit(nowUs);
      },
      [Symbol.dispose]: () => file[Symbol.dispose](),
    };
  },
};

const UPTIME = {
  id: "system.uptime",
  type: "line",
  rule: "always",
  meta: { title: "System Uptime", units: "seconds", family: "uptime", priority: 1000, module: "/proc/uptime" },
  dimensions: [absolute("uptime", 1, 1000)],
} as const;
