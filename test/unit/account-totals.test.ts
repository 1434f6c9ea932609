import { expect, test } from "bun:test";
import { AccountTotals } from "../../agent/app/account-totals.ts";
import type { LinkTotals } from "../../agent/pusher/link-totals.ts";
import { CHILD_GUID, Load, Tree } from "./replication-tree.ts";

function sumOf({ stored, base, merged, unkept, dropped }: ReturnType<AccountTotals["read"]>): number {
  return stored + base + merged + unkept + dropped;
}

function accountedOf({ delivered, inFlight, queued, backlog, lost, recovered }: LinkTotals): number {
  return delivered + inFlight + queued + backlog + lost - recovered;
}

/** A proxy with one child, and what it has of its accounts. */
async function proxyOf() {
  const tree = new Tree();
  const child = tree.add("child", "proxy");
  const proxy = tree.add("proxy", "parent");
  tree.add("parent", null);
  const load = new Load(child, tree.clock);
  const totals = new AccountTotals(proxy.database);
  const pass = (seconds: number) => tree.pass(seconds, () => load.collect());
  await pass(10);
  return { tree, proxy, totals, pass };
}

test("the database accounts of all hosts add up, also when one is forgotten", async () => {
  const { tree, proxy, totals, pass } = await proxyOf();
  const before = totals.read();
  expect(before.received).toBeGreaterThan(50);
  expect(sumOf(before)).toBe(before.received + before.backfilled);
  tree.cut("proxy");
  await pass(1);
  const host = proxy.database.host(CHILD_GUID)!;
  proxy.pushers.detach(host);
  const last = totals.read();
  proxy.database.removeHost(host, false);
  expect(totals.read()).toEqual(last);
  tree.join("proxy");
  await pass(10);
  const after = totals.read();
  expect(after.received).toBeGreaterThan(last.received);
  expect(sumOf(after)).toBe(after.received + after.backfilled);
});

test("the accounts of all streams add up, also when one is over or loses values", async () => {
  const { tree, proxy, pass } = await proxyOf();
  const before = proxy.pushers.totals!;
  expect(before.offered).toBeGreaterThan(50);
  expect(accountedOf(before)).toBe(before.offered);
  expect(proxy.pushers.accounts(10).map(({ machineGuid }) => machineGuid)).toEqual([proxy.guid, CHILD_GUID]);
  expect(proxy.pushers.accounts(1).length).toBe(1);
  tree.cut("parent");
  await pass(10);
  const cut = proxy.pushers.totals!;
  expect(cut.lost).toBeGreaterThan(50);
  tree.join("parent");
  await pass(20);
  const joined = proxy.pushers.totals!;
  // What was fetched after all stays in what was lost: a chart of it would have a hole to the depth of the outage.
  expect(joined.lost).toBeGreaterThanOrEqual(cut.lost);
  expect(joined.recovered).toBe(joined.lost);
  proxy.pushers.detach(proxy.database.host(CHILD_GUID)!);
  const { lost, delivered, offered } = proxy.pushers.totals!;
  expect(offered).toBe(joined.offered);
  expect(delivered + lost).toBeGreaterThanOrEqual(joined.delivered + joined.lost);
  expect(accountedOf(proxy.pushers.totals!)).toBe(offered);
});

test("there are no totals before there is a stream", () => {
  const tree = new Tree();
  const parent = tree.add("parent", null);
  expect(parent.pushers.totals).toBeUndefined();
  expect(parent.pushers.accounts(10)).toEqual([]);
});
