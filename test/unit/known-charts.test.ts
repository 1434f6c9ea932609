import { expect, test } from "bun:test";
import { HostWriter } from "../../agent/receiver/host-writer.ts";
import { imbalance } from "../../agent/rrd/balance.ts";
import { StreamDecoder } from "../../agent/wire/decode.ts";
import { newHost, T0_SEC } from "../simulated-host.ts";

test("a connection on which charts come and go for years forgets those that are gone, and goes on with the others", () => {
  const host = newHost();
  const problems: string[] = [];
  const events = { problem: (kind: string) => void problems.push(kind), disable() {} };
  const decoder = new StreamDecoder(new HostWriter(host, events));
  const send = (text: string) => decoder.feed(Buffer.from(text), T0_SEC * 1e6);
  const define = (id: string) => send(`CHART ${id} "" "" "" "" "" line 1 1\nDIMENSION x\n`);
  const collect = (id: string) => send(`BEGIN ${id} 1000\nSET x = 1\nEND\n`);
  define("t.stays");
  for (let n = 0; n < 5000; n++) {
    define(`t.c${n}`);
    for (const id of ["t.stays", `t.c${n}`]) collect(id);
    host.retireChart(host.chart(`t.c${n}`)!);
    host.removeObsolete(T0_SEC * 1e6, Number.NEGATIVE_INFINITY);
  }
  expect(decoder["lines"]["charts"]["charts"].size).toBeLessThanOrEqual(1024);
  expect(decoder.begins["words"].length).toBeLessThan(10_000);
  expect([host.chartCount, host.balance.received, imbalance(host.balance)]).toEqual([1, 10_000, 0]);
  expect(problems).toEqual([]);
  collect("t.c7");
  expect(problems).toEqual(["no_chart", "no_chart"]);
});
