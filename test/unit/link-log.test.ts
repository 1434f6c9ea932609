import { expect, test } from "bun:test";
import type { Log, LogFields } from "../../agent/base/log.ts";
import { LinkLog } from "../../agent/pusher/link-log.ts";

test("what a parent has fetched is told each time there is more, a clock that is off once a connection", () => {
  const lines: [string, LogFields][] = [];
  const note = (event: string, fields: LogFields = {}) => lines.push([event, fields]);
  const log: Log = { error: note, warn: note, info: note, debug: note };
  const linkLog = new LinkLog(log, { hostname: "edge-7" }, { name: "parent-1:19999" });
  const about = { host: "edge-7", parent: "parent-1:19999" };
  for (const recovered of [0, 500, 500, 520]) linkLog.tick("", recovered);
  expect(lines.splice(0)).toEqual([
    ["pusher.recovered", { ...about, values: 500 }],
    ["pusher.recovered", { ...about, values: 20 }],
  ]);
  const off = ["pusher.clock_off", { ...about, problem: "9 s ahead" }] as const;
  for (let sec = 0; sec < 3; sec++) linkLog.tick("9 s ahead", 520);
  expect(lines.splice(0)).toEqual([[...off]]);
  linkLog.established(1);
  linkLog.tick("9 s ahead", 520);
  expect(lines.slice(1)).toEqual([[...off]]);
});
